package espalier.kernels.roofline;

import espalier.kernels.Check;
import espalier.kernels.DType;
import java.util.List;

/// How much is measured.
///
/// @param tokens rows of the products with a weight, ascending: 1 is a step of decoding
/// @param sequence tokens of everything else; a shorter context shortens it
/// @param types of the weights; the first is also that of backward products and of the runs on one thread
/// @param oneThread whether to run the kernels on one thread as well
/// @param wholeHead whether the output head is run at more than one token; slow code does without
/// @param seconds that a kernel is timed for, at least
/// @param coldBytes memory that no cache holds: the streamed buffer, and what the operands of a kernel that is called
///     again and again are spread over
public record RooflineSettings(
        List<Integer> tokens,
        int sequence,
        List<DType> types,
        boolean oneThread,
        boolean wholeHead,
        double seconds,
        long coldBytes) {
    /// What a buffer must hold for all of a register and more.
    private static final long LEAST_COLD_BYTES = 1 << 16;

    /// Checks ranges and copies the lists.
    public RooflineSettings {
        tokens = List.copyOf(tokens);
        types = List.copyOf(types);
        tokens.forEach(rows -> Check.positive("tokens", rows));
        Check.positive("sequence", sequence);
        if (types.isEmpty()) {
            throw new IllegalArgumentException("no type of weights to measure");
        }
        if (!(seconds > 0 && seconds <= 60)) {
            throw new IllegalArgumentException("seconds must be above 0 and at most 60, got " + seconds);
        }
        if (coldBytes < LEAST_COLD_BYTES) {
            throw new IllegalArgumentException(
                    "cold bytes must be at least %d, got %d".formatted(LEAST_COLD_BYTES, coldBytes));
        }
    }

    /// Everything, for optimised kernels: about a minute on two cores.
    ///
    /// @param coldBytes see above
    /// @return the settings
    public static RooflineSettings full(long coldBytes) {
        return new RooflineSettings(
                List.of(1, 32, 512), 512, List.of(DType.BF16, DType.F32), true, true, 0.2, coldBytes);
    }

    /// A few seconds: one type, shorter sequences, shorter times.
    ///
    /// @param coldBytes see above
    /// @return the settings
    public static RooflineSettings quick(long coldBytes) {
        return new RooflineSettings(List.of(1, 128), 128, List.of(DType.BF16), false, false, 0.05, coldBytes);
    }

    /// For plain loops, which take a hundred times as long.
    ///
    /// @param coldBytes see above
    /// @return the settings
    public static RooflineSettings plainLoops(long coldBytes) {
        return new RooflineSettings(List.of(1, 8), 64, List.of(DType.BF16, DType.F32), false, false, 0.03, coldBytes);
    }
}
