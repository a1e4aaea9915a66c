package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ORDER;

import espalier.kernels.DType;
import espalier.kernels.cpu.HostMemory;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// Packs columns of the right operand of a product into panels `[kc, GemmTile.COLUMNS]` of F32, converting as it goes.
/// Columns that the matrix does not have hold arbitrary values; what is computed from them is thrown away.
final class PackColumns {
    private static final VectorSpecies<Integer> S = Lanes.I32;
    private static final int L = Lanes.COUNT;
    private static final long W = Lanes.BYTES;
    private static final int COLUMNS = GemmTile.COLUMNS;
    private static final long STEP = 2 * W;
    private static final long ADDRESS = Lanes.ADDRESS;
    private static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /// Scratch of [#transposed]: one block for the transposition, one for pairs not yet split.
    static final long SCRATCH_BYTES = 2 * PackTranspose.BLOCK_BYTES;

    private PackColumns() {}

    /// @param kc rows packed
    /// @return bytes of a panel
    static long panelBytes(int kc) {
        return kc * STEP;
    }

    /// Packs columns of `B^T`, where `B` is stored row by row: column `j` of the panel is row `j` of `B`.
    ///
    /// @param b the panel's first element
    /// @param type element type of `B`
    /// @param stride elements between rows of `B`
    /// @param columns columns that exist, `1 .. COLUMNS`
    /// @param kc length of the columns
    /// @param panel where to
    /// @param scratch [#SCRATCH_BYTES]
    static void transposed(long b, DType type, int stride, int columns, int kc, long panel, long scratch) {
        int size = type.bytes();
        int block = L * Float.BYTES / size;
        long rowBytes = (long) stride * size;
        if (kc < block) {
            for (int j = 0; j < columns; j++) {
                for (int k = 0; k < kc; k++) {
                    float element = HostMemory.get(type, b + j * rowBytes + (long) k * size);
                    ALL.set(F, panel + k * STEP + 4L * j, element);
                }
            }
            return;
        }
        if (stride == kc) {
            touch(b, columns * rowBytes, scratch);
        }
        for (int j = 0; j < columns; j += L) {
            long from = b + j * rowBytes;
            long to = panel + 4L * j;
            int rows = Math.min(L, columns - j);
            int k = 0;
            for (; k + block <= kc; k += block) {
                transposedBlock(from + (long) k * size, type, rowBytes, rows, to + k * STEP, scratch);
            }
            if (k < kc) {
                k = kc - block;
                transposedBlock(from + (long) k * size, type, rowBytes, rows, to + k * STEP, scratch);
            }
        }
    }

    /// Reads whole rows that follow each other, so that the memory's prefetching sees one stream. The transposition
    /// reads from many rows by turns, at half the speed where they are short and lie in no cache. Rows that are not
    /// read whole gain nothing.
    private static void touch(long rows, long bytes, long scratch) {
        IntVector any = IntVector.zero(S);
        long end = rows + bytes / W * W;
        for (long p = rows; p != end; p += W) {
            any = IntVector.fromMemorySegment(S, ALL, p & ADDRESS, ORDER).or(any);
        }
        IntVector.zero(S).or(any).intoMemorySegment(ALL, scratch & ADDRESS, ORDER);
    }

    /// Two-byte elements are transposed in pairs, as the 32-bit elements that they lie in, and split afterwards.
    private static void transposedBlock(long from, DType type, long rowBytes, int rows, long to, long scratch) {
        switch (type) {
            case F32 -> PackTranspose.block(from, rowBytes, rows, to, STEP, scratch);
            case BF16 -> {
                long pairs = scratch + PackTranspose.BLOCK_BYTES;
                PackTranspose.block(from, rowBytes, rows, pairs, W, scratch);
                splitBf16(pairs, to);
            }
            case F16 -> {
                long pairs = scratch + PackTranspose.BLOCK_BYTES;
                PackTranspose.block(from, rowBytes, rows, pairs, W, scratch);
                splitF16(pairs, to);
            }
        }
    }

    private static void splitBf16(long pairs, long to) {
        for (int i = 0; i < L; i++) {
            IntVector pair = IntVector.fromMemorySegment(S, ALL, pairs + i * W & ADDRESS, ORDER);
            long out = to + 2 * i * STEP & ADDRESS;
            PackConvert.evenBf16(pair).intoMemorySegment(ALL, out, ORDER);
            PackConvert.oddBf16(pair).intoMemorySegment(ALL, out + STEP, ORDER);
        }
    }

    private static void splitF16(long pairs, long to) {
        for (int i = 0; i < L; i++) {
            IntVector pair = IntVector.fromMemorySegment(S, ALL, pairs + i * W & ADDRESS, ORDER);
            long out = to + 2 * i * STEP & ADDRESS;
            PackConvert.evenF16(pair).intoMemorySegment(ALL, out, ORDER);
            PackConvert.oddF16(pair).intoMemorySegment(ALL, out + STEP, ORDER);
        }
    }

    /// Packs columns of a matrix that is stored row by row.
    ///
    /// @param b the panel's first element
    /// @param type element type
    /// @param stride elements between rows
    /// @param columns columns that exist, `1 .. COLUMNS`
    /// @param kc rows
    /// @param readable elements that may be read from `b` on: those to the end of the matrix
    /// @param panel where to
    static void rowMajor(long b, DType type, int stride, int columns, int kc, long readable, long panel) {
        int size = type.bytes();
        long rowBytes = (long) stride * size;
        int whole = wholeRows(kc, stride, COLUMNS, readable);
        switch (type) {
            case F32 -> copyF32(b, rowBytes, whole, panel);
            case BF16 -> copyBf16(b, rowBytes, whole, panel);
            case F16 -> copyF16(b, rowBytes, whole, panel);
        }
        for (int k = whole; k < kc; k++) {
            for (int j = 0; j < columns; j++) {
                ALL.set(F, panel + k * STEP + 4L * j, HostMemory.get(type, b + k * rowBytes + (long) j * size));
            }
        }
    }

    /// Rows of which a full panel's width can be read without leaving the matrix.
    static int wholeRows(int kc, int stride, int width, long readable) {
        long rows = readable < width ? 0 : stride == 0 ? kc : (readable - width) / stride + 1;
        return (int) Math.min(kc, rows);
    }

    private static void copyF32(long b, long rowBytes, int rows, long panel) {
        for (int k = 0; k < rows; k++) {
            long from = b + k * rowBytes & ADDRESS;
            long to = panel + k * STEP & ADDRESS;
            IntVector.fromMemorySegment(S, ALL, from, ORDER).intoMemorySegment(ALL, to, ORDER);
            IntVector.fromMemorySegment(S, ALL, from + W, ORDER).intoMemorySegment(ALL, to + W, ORDER);
        }
    }

    private static void copyBf16(long b, long rowBytes, int rows, long panel) {
        for (int k = 0; k < rows; k++) {
            long to = panel + k * STEP & ADDRESS;
            IntVector pair = IntVector.fromMemorySegment(S, ALL, b + k * rowBytes & ADDRESS, ORDER);
            IntVector even = PackConvert.evenBf16(pair);
            IntVector odd = PackConvert.oddBf16(pair);
            PackTranspose.LOW.selectFrom(even, odd).intoMemorySegment(ALL, to, ORDER);
            PackTranspose.HIGH.selectFrom(even, odd).intoMemorySegment(ALL, to + W, ORDER);
        }
    }

    private static void copyF16(long b, long rowBytes, int rows, long panel) {
        for (int k = 0; k < rows; k++) {
            long to = panel + k * STEP & ADDRESS;
            IntVector pair = IntVector.fromMemorySegment(S, ALL, b + k * rowBytes & ADDRESS, ORDER);
            IntVector even = PackConvert.evenF16(pair);
            IntVector odd = PackConvert.oddF16(pair);
            PackTranspose.LOW.selectFrom(even, odd).intoMemorySegment(ALL, to, ORDER);
            PackTranspose.HIGH.selectFrom(even, odd).intoMemorySegment(ALL, to + W, ORDER);
        }
    }
}
