package espalier.kernels.vector;

import static espalier.bindings.NativeMemory.ALL;
import static espalier.kernels.vector.Lanes.ADDRESS;

import espalier.kernels.DType;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// Some rows and columns of a weight, as stored. Columns that follow one another are copied at once where they do so in
/// long runs, as the channels of heads do; else one by one.
final class WeightGather {
    private static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED;
    /// Columns from which on copying a run costs less than copying its elements.
    private static final int LONG_RUN = 16;

    private WeightGather() {}

    static void gather(Parallel parallel, CpuWeight picked, CpuWeight w, int[] rows, int[] cols) {  // picked =
        int[] ends = runEnds(cols);
        boolean byRuns = (long) ends.length * LONG_RUN <= cols.length;
        Tasks.rows(parallel, rows.length, cols.length, (from, to, worker) -> {
            for (int i = from; i < to; i++) {
                if (byRuns) {
                    runs(picked, i, w, rows[i], cols, ends);
                } else if (w.type() == DType.F32) {
                    words(picked.rowAddress(i), w.rowAddress(rows[i]), cols);
                } else {
                    halves(picked.rowAddress(i), w.rowAddress(rows[i]), cols);
                }
            }
        });
    }

    /// @return one past the last index into `cols` of each run of neighbours
    private static int[] runEnds(int[] cols) {
        int[] ends = new int[cols.length];
        int runs = 0;
        for (int j = 1; j <= cols.length; j++) {
            if (j == cols.length || cols[j] != cols[j - 1] + 1) {
                ends[runs++] = j;
            }
        }
        return Arrays.copyOf(ends, runs);
    }

    private static void runs(CpuWeight picked, int i, CpuWeight w, int row, int[] cols, int[] ends) {
        int from = 0;
        for (int to : ends) {
            long bytes = (long) (to - from) * w.type().bytes();
            MemorySegment.copy(ALL, w.address(row, cols[from]), ALL, picked.address(i, from), bytes);
            from = to;
        }
    }

    private static void words(long y, long x, int[] cols) {
        for (int j = 0; j < cols.length; j++) {
            ALL.set(WORD, y + 4L * j & ADDRESS, ALL.get(WORD, x + 4L * cols[j] & ADDRESS));
        }
    }

    private static void halves(long y, long x, int[] cols) {
        for (int j = 0; j < cols.length; j++) {
            ALL.set(HALF, y + 2L * j & ADDRESS, ALL.get(HALF, x + 2L * cols[j] & ADDRESS));
        }
    }
}
