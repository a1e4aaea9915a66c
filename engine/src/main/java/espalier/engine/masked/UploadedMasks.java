package espalier.engine.masked;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.Gates;
import espalier.engine.model.HostCopy;
import espalier.engine.model.ModelShape;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// Mask values on their way to a backend, and the gradients of such values on their way back. A family that a mask does
/// not have is absent there; one that it has is present in every layer, be it all ones or empty.
final class UploadedMasks {
    private UploadedMasks() {}

    /// @param values of a mask
    /// @param shape of the model that it masks
    /// @param ops the backend
    /// @param memory keeps the tensors
    /// @return what a pass multiplies by; no layer is skipped
    /// @throws IllegalArgumentException naming what has another length than in the model, or is not finite
    static Gates upload(MaskValues values, ModelShape shape, Ops ops, Workspace memory) {
        values.check(shape);
        int layers = shape.layers().size();
        return gates(
                upload(values.heads(), layers, ops, memory),
                upload(values.ffn(), layers, ops, memory),
                values.hidden().length == 0 ? Tensor.NONE : upload(values.hidden(), ops, memory));
    }

    private static List<Tensor> upload(List<float[]> values, int layers, Ops ops, Workspace memory) {
        return values.isEmpty()
                ? Collections.nCopies(layers, Tensor.NONE)
                : values.stream().map(ofLayer -> upload(ofLayer, ops, memory)).toList();
    }

    private static Tensor upload(float[] values, Ops ops, Workspace memory) {
        Tensor tensor = memory.take(1, values.length);
        ops.fromHost(values, tensor);
        return tensor;
    }

    /// @param gates mask values
    /// @param memory keeps the tensors
    /// @return zeros where those have values: what a pass adds their gradients to
    static Gates zerosLike(Gates gates, Workspace memory) {
        return gates(
                gates.heads().stream().map(tensor -> zerosLike(tensor, memory)).toList(),
                gates.ffn().stream().map(tensor -> zerosLike(tensor, memory)).toList(),
                zerosLike(gates.hidden(), memory));
    }

    private static Tensor zerosLike(Tensor tensor, Workspace memory) {
        return tensor.isPresent() ? memory.takeZeros(tensor.rows(), tensor.cols()) : Tensor.NONE;
    }

    private static Gates gates(List<Tensor> heads, List<Tensor> ffn, Tensor hidden) {
        Gates open = Gates.open(heads.size());
        return new Gates(heads, ffn, hidden, open.skippedLayers(), open.normDivisor());
    }

    /// @param gates values or gradients, as [#upload] or [#zerosLike] make them
    /// @param ops the backend
    /// @return a copy on the host
    /// @throws IllegalArgumentException if a family is there in some layers only
    static MaskValues read(Gates gates, Ops ops) {
        return new MaskValues(
                read("heads", gates.heads(), ops), read("ffn", gates.ffn(), ops), read(gates.hidden(), ops));
    }

    private static List<float[]> read(String family, List<Tensor> layers, Ops ops) {
        long present = layers.stream().filter(Tensor::isPresent).count();
        if (present == 0) {
            return List.of();
        }
        if (present < layers.size()) {
            throw new IllegalArgumentException("gates of %s are there in %d of %d layers, expected all or none"
                    .formatted(family, present, layers.size()));
        }
        List<float[]> values = new ArrayList<>();
        layers.forEach(layer -> values.add(read(layer, ops)));
        return values;
    }

    private static float[] read(Tensor tensor, Ops ops) {
        return tensor.isPresent() ? HostCopy.of(ops, tensor) : new float[0];
    }
}
