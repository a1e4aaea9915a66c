package espalier.kernels.roofline;

/// The two ceilings of a machine at a number of threads.
///
/// @param threads that were running
/// @param peakGflops 1e9 F32 operations a second when nothing but fused multiply-adds runs, two operations each
/// @param bandwidthGbs 1e9 bytes a second read from memory that no cache holds
public record Roof(int threads, double peakGflops, double bandwidthGbs) {
    /// @throws IllegalArgumentException unless both are positive and finite
    public Roof {
        if (!(peakGflops > 0 && bandwidthGbs > 0 && peakGflops + bandwidthGbs < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "ceilings of %s GFLOP/s and %s GB/s".formatted(peakGflops, bandwidthGbs));
        }
    }

    /// @return operations for each byte from which on arithmetic is what limits
    public double ridge() {
        return peakGflops / bandwidthGbs;
    }

    /// @param work of a kernel
    /// @return whether memory limits it, rather than arithmetic
    public boolean isMemoryBound(Work work) {
        return work.intensity() < ridge();
    }

    /// @param intensity operations for each byte
    /// @return the most GFLOP/s at that intensity: `min(peak, intensity * bandwidth)`
    public double attainableGflops(double intensity) {
        return Math.min(peakGflops, intensity * bandwidthGbs);
    }

    /// @param other of the same number of threads
    /// @return the better ceilings of the two
    public Roof best(Roof other) {
        if (other.threads != threads) {
            throw new IllegalArgumentException("roofs of %d and %d threads".formatted(threads, other.threads));
        }
        return new Roof(
                threads, Math.max(peakGflops, other.peakGflops), Math.max(bandwidthGbs, other.bandwidthGbs));
    }
}
