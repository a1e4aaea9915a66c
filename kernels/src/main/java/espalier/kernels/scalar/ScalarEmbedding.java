package espalier.kernels.scalar;

import static espalier.kernels.cpu.HostMemory.get;
import static espalier.kernels.cpu.HostMemory.set;

import espalier.bindings.NativeMemory;
import espalier.kernels.Tensor;
import espalier.kernels.cpu.CpuWeight;
import java.lang.foreign.MemorySegment;

/// Parts of a weight as stored, rows of it as F32, and the gradient of looking them up.
final class ScalarEmbedding {
    private ScalarEmbedding() {}

    static void gather(CpuWeight picked, CpuWeight w, int[] rows, int[] cols) {                     // picked =
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < cols.length; j++) {
                copyElement(w, picked.address(i, j), w.address(rows[i], cols[j]));
            }
        }
    }

    private static void copyElement(CpuWeight w, long to, long from) {
        MemorySegment.copy(NativeMemory.ALL, from, NativeMemory.ALL, to, w.type().bytes());
    }

    static void dequantize(Tensor y, CpuWeight w, int fromRow) {                                    // y =
        for (int r = 0; r < y.rows(); r++) {
            copyRow(y, r, w, fromRow + r);
        }
    }

    static void embed(Tensor y, CpuWeight table, int[] ids) {                                       // y =
        for (int t = 0; t < ids.length; t++) {
            copyRow(y, t, table, ids[t]);
        }
    }

    private static void copyRow(Tensor y, int t, CpuWeight w, int row) {
        for (int c = 0; c < w.cols(); c++) {
            set(y, t, c, get(w, row, c));
        }
    }

    static void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids) {                   // dTable +=
        for (int t = 0; t < ids.length; t++) {
            int row = ids[t] - fromRow;
            if (row >= 0 && row < dTable.rows()) {
                for (int c = 0; c < dTable.cols(); c++) {
                    set(dTable, row, c, get(dTable, row, c) + get(dY, t, c));
                }
            }
        }
    }
}
