package espalier.kernels.roofline;

import espalier.kernels.DType;
import espalier.kernels.roofline.RooflineShape.Projection;
import java.util.ArrayList;
import java.util.List;

/// Which kernels are measured at a shape.
final class KernelList {
    private KernelList() {}

    /// @param shape widths
    /// @param settings tokens
    /// @param types of the weights
    /// @return the kernels in order; those without any work are left out
    static List<Kernel> of(RooflineShape shape, RooflineSettings settings, List<DType> types) {
        List<Kernel> kernels = new ArrayList<>();
        int sequence = Math.min(settings.sequence(), shape.context());
        List<Integer> tokens = settings.tokens().stream()
                .map(rows -> Math.min(rows, shape.context()))
                .distinct()
                .toList();
        for (DType type : types) {
            for (int rows : tokens) {
                for (Projection projection : measured(shape, settings, rows)) {
                    kernels.add(MatrixKernels.linear(projection, rows, type));
                }
            }
        }
        for (Projection projection : measured(shape, settings, sequence)) {
            kernels.add(MatrixKernels.linearBackward(projection, sequence, types.getFirst()));
        }
        for (Projection projection : measured(shape, settings, sequence)) {
            kernels.add(MatrixKernels.weightGradient(projection, sequence));
        }
        if (shape.heads() > 0) {
            AttentionKernels attention = new AttentionKernels(shape, sequence);
            kernels.add(attention.forward());
            kernels.add(attention.backward());
        }
        kernels.add(RowKernels.rmsNorm(sequence, shape.hidden()));
        kernels.add(RowKernels.rmsNormBackward(sequence, shape.hidden()));
        if (shape.ffn() > 0) {
            kernels.add(RowKernels.swiglu(sequence, shape.ffn()));
            kernels.add(RowKernels.swigluBackward(sequence, shape.ffn()));
        }
        kernels.add(RowKernels.crossEntropy(sequence, shape.vocab()));
        kernels.add(RowKernels.adamW(shape.vocab(), shape.hidden()));
        return kernels;
    }

    private static List<Projection> measured(RooflineShape shape, RooflineSettings settings, int tokens) {
        return shape.projections().stream()
                .filter(of -> tokens == 1 || settings.wholeHead() || !of.names().contains("lm_head"))
                .toList();
    }
}
