package espalier.kernels.vector;

import java.nio.ByteOrder;
import java.util.function.IntUnaryOperator;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// The one vector width of this process.
///
/// Two widths in one process make the type profiles of the JDK's own vector classes ambiguous, and kernels box their
/// accumulators; so every kernel takes its species from here. The width is the machine's preferred one. The system
/// property `espalier.laneBits` (128, 256 or 512) overrides it: it exists for tests and is read here only.
final class Lanes {
    /// For tests: the width to use instead of the preferred one.
    static final String PROPERTY = "espalier.laneBits";
    /// Species of all F32 work.
    static final VectorSpecies<Float> F32 = choose(System.getProperty(PROPERTY));
    /// Integers of the same width.
    static final VectorSpecies<Integer> I32 = F32.withLanes(int.class);
    /// Elements of a register.
    static final int COUNT = F32.length();
    /// Bytes of a register.
    static final int BYTES = COUNT * Float.BYTES;
    /// Byte order of every access.
    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    /// Anding an address with this changes nothing, but tells the compiler that address plus offset cannot overflow,
    /// so that the bounds check against the segment of all memory folds away.
    static final long ADDRESS = Long.MAX_VALUE >> 1;

    static {
        CompilerDirectives.begin();
    }

    private Lanes() {}

    private static VectorSpecies<Float> choose(String bits) {
        if (bits == null) {
            VectorSpecies<Float> preferred = FloatVector.SPECIES_PREFERRED;
            return preferred.length() < 4 ? FloatVector.SPECIES_128
                    : preferred.length() > 16 ? FloatVector.SPECIES_512 : preferred;
        }
        return switch (bits) {
            case "128" -> FloatVector.SPECIES_128;
            case "256" -> FloatVector.SPECIES_256;
            case "512" -> FloatVector.SPECIES_512;
            default -> throw new IllegalArgumentException(PROPERTY + " must be 128, 256 or 512, got " + bits);
        };
    }

    /// Adds the lanes in a fixed tree of explicit steps. `reduceLanes` may not be used: its order, and so its bits,
    /// change when the method is compiled.
    ///
    /// @param v any
    /// @return the sum of the lanes
    static float sum(FloatVector v) {
        FloatVector s = v;
        if (COUNT > 8) {
            s = s.add(s.rearrange(Folds.BY_8));
        }
        if (COUNT > 4) {
            s = s.add(s.rearrange(Folds.BY_4));
        }
        s = s.add(s.rearrange(Folds.BY_2));
        return s.lane(0) + s.lane(1);
    }

    /// The largest lane, by the same tree.
    ///
    /// @param v no NaN
    /// @return the maximum of the lanes
    static float max(FloatVector v) {
        FloatVector s = v;
        if (COUNT > 8) {
            s = s.max(s.rearrange(Folds.BY_8));
        }
        if (COUNT > 4) {
            s = s.max(s.rearrange(Folds.BY_4));
        }
        s = s.max(s.rearrange(Folds.BY_2));
        return Math.max(s.lane(0), s.lane(1));
    }

    /// Shuffles that bring lane `i + n` to lane `i`.
    private static final class Folds {
        static final VectorShuffle<Float> BY_8 = by(8);
        static final VectorShuffle<Float> BY_4 = by(4);
        static final VectorShuffle<Float> BY_2 = by(2);

        private static VectorShuffle<Float> by(int n) {
            return VectorShuffle.fromOp(F32, i -> (i + n) % COUNT);
        }
    }

    /// Integer lanes from a formula, for permutation constants.
    ///
    /// @param lane value of each lane
    /// @return the vector
    static IntVector indices(IntUnaryOperator lane) {
        int[] values = new int[COUNT];
        for (int i = 0; i < COUNT; i++) {
            values[i] = lane.applyAsInt(i);
        }
        return IntVector.fromArray(I32, values, 0);
    }
}
