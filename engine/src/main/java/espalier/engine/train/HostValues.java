package espalier.engine.train;

import espalier.engine.model.HostCopy;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import java.util.Map;

/// Tensors of a backend as parts of a [RunState], and back.
final class HostValues {
    private HostValues() {}

    static RunState.Values of(String name, Tensor tensor, Ops ops) {
        return new RunState.Values(name, tensor.rows(), tensor.cols(), HostCopy.of(ops, tensor));
    }

    static void restore(Map<String, RunState.Values> all, String name, Tensor target, Ops ops) {
        ops.fromHost(require(all, name, target.rows(), target.cols()).data(), target);
    }

    /// @throws IllegalArgumentException naming a tensor that is missing or has another shape
    static RunState.Values require(Map<String, RunState.Values> all, String name, int rows, int cols) {
        RunState.Values values = all.get(name);
        if (values == null) {
            throw new IllegalArgumentException("the saved state has no tensor " + name);
        }
        if (values.rows() != rows || values.cols() != cols) {
            throw new IllegalArgumentException("tensor %s of the saved state has shape [%d, %d], expected [%d, %d]"
                    .formatted(name, values.rows(), values.cols(), rows, cols));
        }
        return values;
    }
}
