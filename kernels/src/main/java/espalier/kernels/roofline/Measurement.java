package espalier.kernels.roofline;

/// How fast a kernel ran.
///
/// @param kernel what it computes, e.g. `linear`
/// @param weight which weights have the shape, e.g. `gate_proj, up_proj`; empty where there is none
/// @param type of the weight, or of the elements: `bf16` or `f32`
/// @param shape of a product tokens x inputs x outputs, e.g. `512x576x1536`; of attention tokens x heads / key/value
///     heads x width of a head, e.g. `512x9/3x64`; else rows x columns
/// @param threads that took part
/// @param work of one call
/// @param seconds of one call, the median
/// @param relativeError largest difference to the scalar backend over the largest value, of what was compared
public record Measurement(
        String kernel,
        String weight,
        String type,
        String shape,
        int threads,
        Work work,
        double seconds,
        double relativeError) {
    /// @return the weights as people call them, e.g. `gate, up`
    public String shortWeight() {
        return weight.replace("_proj", "");
    }

    /// @return 1e9 operations a second
    public double gflops() {
        return 1e-9 * work.flops() / seconds;
    }

    /// @return 1e9 bytes a second
    public double gbs() {
        return 1e-9 * work.bytes() / seconds;
    }

    /// @param roof of as many threads
    /// @return share of what the roof allows, in percent
    public double percentOf(Roof roof) {
        if (roof.threads() != threads) {
            throw new IllegalArgumentException(
                    "a roof of %d threads for a kernel on %d".formatted(roof.threads(), threads));
        }
        return 100 * gflops() / roof.attainableGflops(work.intensity());
    }
}
