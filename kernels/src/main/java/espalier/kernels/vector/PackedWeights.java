package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.DType;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import espalier.kernels.cpu.CpuWeight;
import espalier.kernels.cpu.HostMemory;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// The layout of a weight that is packed once: for each block of `K` its panels of [GemmTile#COLUMNS] output channels.
///
/// A panel of F32 is what [GemmTile] reads, `[kc, COLUMNS]`. Two-byte elements keep their type: a panel is
/// `[ceil(kc / 2), COLUMNS, 2]`, the elements `2 i` and `2 i + 1` of a channel in the halves of one 32-bit lane, which
/// [PackConvert] takes apart; a block of panels is converted in each call, in the second-level cache.
final class PackedWeights {
    private static final VectorSpecies<Integer> S = Lanes.I32;
    private static final int COLUMNS = GemmTile.COLUMNS;
    private static final long W = Lanes.BYTES;
    private static final long STEP = 2 * W;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfShort H = ValueLayout.JAVA_SHORT_UNALIGNED;

    private PackedWeights() {}

    /// @return bytes of a panel
    static long panelBytes(DType type, int kc) {
        return type == DType.F32 ? kc * STEP : (kc + 1) / 2 * STEP;
    }

    /// @param k columns of the weight
    /// @param k0 first of a block, or `k`
    /// @param panels panels of each block
    /// @return bytes before the block
    static long offset(DType type, int k, int k0, int panels) {
        int blocks = Gemm.blocksOfK(k);
        long bytes = 0;
        for (int i = 0, from = 0; from < k0; i++) {
            int to = (int) ((long) k * (i + 1) / blocks);
            bytes += panels * panelBytes(type, to - from);
            from = to;
        }
        return bytes;
    }

    /// @return bytes of the packed weight
    static long bytes(CpuWeight w) {
        return offset(w.type(), w.cols(), w.cols(), Math.ceilDiv(w.rows(), COLUMNS));
    }

    /// @return memory for the packed weight
    static Tensor take(CpuWeight w, Workspace memory) {
        int panels = Math.ceilDiv(w.rows(), COLUMNS);
        return memory.take(panels, Math.toIntExact(bytes(w) / panels / Float.BYTES));
    }

    /// Packs one panel.
    ///
    /// @param row first output channel
    /// @param k0 first column
    /// @param kc columns
    /// @param panel where to
    /// @param scratch [PackColumns#SCRATCH_BYTES]
    static void pack(CpuWeight w, int row, int k0, int kc, long panel, long scratch) {
        int rows = Math.min(COLUMNS, w.rows() - row);
        long from = w.rowAddress(row) + (long) k0 * w.type().bytes();
        if (w.type() == DType.F32) {
            PackColumns.transposed(from, w.type(), w.cols(), rows, kc, panel, scratch);
            return;
        }
        long rowBytes = (long) w.cols() * Short.BYTES;
        for (int j = 0; j < rows; j++) {
            for (int k = 0; k < kc; k++) {
                ALL.set(H, panel + k / 2 * STEP + 4L * j + 2 * (k % 2), ALL.get(H, from + j * rowBytes + 2L * k));
            }
        }
    }

    /// Converts a panel of two-byte elements to F32.
    static void unpack(DType type, long from, int kc, long to) {
        switch (type) {
            case BF16 -> unpackBf16(from, kc / 2, to);
            case F16 -> unpackF16(from, kc / 2, to);
            case F32 -> throw new IllegalArgumentException("a packed panel of F32 is used as it is");
        }
        if (kc % 2 != 0) {
            for (int j = 0; j < COLUMNS; j++) {
                Access.set(to + (kc - 1) * STEP + 4L * j, HostMemory.get(type, from + kc / 2 * STEP + 4L * j));
            }
        }
    }

    private static void unpackBf16(long from, int pairs, long to) {
        for (int i = 0; i < pairs; i++) {
            IntVector left = IntVector.fromMemorySegment(S, ALL, from + i * STEP & ADDRESS, ORDER);
            IntVector right = IntVector.fromMemorySegment(S, ALL, from + i * STEP + W & ADDRESS, ORDER);
            long even = to + 2 * i * STEP & ADDRESS;
            PackConvert.evenBf16(left).intoMemorySegment(ALL, even, ORDER);
            PackConvert.evenBf16(right).intoMemorySegment(ALL, even + W, ORDER);
            PackConvert.oddBf16(left).intoMemorySegment(ALL, even + STEP, ORDER);
            PackConvert.oddBf16(right).intoMemorySegment(ALL, even + STEP + W, ORDER);
        }
    }

    private static void unpackF16(long from, int pairs, long to) {
        for (int i = 0; i < 2 * pairs; i++) {
            IntVector pair = IntVector.fromMemorySegment(S, ALL, from + i * W & ADDRESS, ORDER);
            long even = to + i / 2 * 2 * STEP + i % 2 * W & ADDRESS;
            PackConvert.evenF16(pair).intoMemorySegment(ALL, even, ORDER);
            PackConvert.oddF16(pair).intoMemorySegment(ALL, even + STEP, ORDER);
        }
    }
}
