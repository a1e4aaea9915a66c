package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ADDRESS;
import static espalier.kernels.vector.Lanes.F32;
import static espalier.kernels.vector.Lanes.ORDER;

import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/// Loads, stores and lane sums that the element-wise kernels share. Small enough to be inlined everywhere.
final class Access {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private Access() {}

    static FloatVector load(long address) {
        return FloatVector.fromMemorySegment(F32, ALL, address & ADDRESS, ORDER);
    }

    /// Lanes that are off read as 0.
    static FloatVector load(long address, VectorMask<Float> mask) {
        return FloatVector.fromMemorySegment(F32, ALL, address & ADDRESS, ORDER, mask);
    }

    static void store(long address, FloatVector v) {
        v.intoMemorySegment(ALL, address & ADDRESS, ORDER);
    }

    static void store(long address, FloatVector v, VectorMask<Float> mask) {
        v.intoMemorySegment(ALL, address & ADDRESS, ORDER, mask);
    }

    /// @param count lanes that are on
    static VectorMask<Float> first(int count) {
        return F32.indexInRange(0, count);
    }

    static float get(long address) {
        return ALL.get(FLOAT, address & ADDRESS);
    }

    static void set(long address, float value) {
        ALL.set(FLOAT, address & ADDRESS, value);
    }

    /// The sum of a register's lanes in float64, by halves: lane `i` and lane `i + L / 2`, and so on. From memory, since
    /// an array of them would be garbage for every row.
    ///
    /// @param lanes a register in memory
    static double sum(long lanes) {
        return sum(lanes, 0, 1);
    }

    /// Of every `step`-th lane from `lane` on.
    private static double sum(long lanes, int lane, int step) {
        return step == Lanes.COUNT
                ? get(lanes + (long) lane * Float.BYTES)
                : sum(lanes, lane, 2 * step) + sum(lanes, lane + step, 2 * step);
    }

    /// Adds the entries by halves; their number is a power of two.
    static double sum(double[] lanes) {
        for (int half = lanes.length / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                lanes[i] += lanes[i + half];
            }
        }
        return lanes[0];
    }
}
