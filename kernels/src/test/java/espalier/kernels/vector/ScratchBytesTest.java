package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.ScratchBytes;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is planned against what operations keep.
class ScratchBytesTest {
    /// Long sequences; short ones in a large batch; wide rows; short ones of few channels.
    @ParameterizedTest
    @CsvSource({
        "2, 128, 1, 4000, 64", "3, 64, 2, 1500, 300", "1, 80, 1, 3000, 64", "2, 16, 40, 100, 3000", "2, 20, 1, 33, 7"
    })
    void whatIsKeptIsPlanned(int threads, int headDim, int sequences, int tokens, int width) {
        int[] queries = {2, 1};
        int rows = sequences * tokens;
        try (VectorOps ops = new VectorOps(threads);
                Arena arena = Arena.ofShared();
                Workspace ws = ops.newWorkspace()) {
            int widest = Math.max(width, 3 * headDim);
            ScratchBytes planned = new ScratchBytes(threads, headDim, tokens, rows, widest);
            HeadMap heads = HeadMap.of(queries, headDim);
            int[] starts = new int[sequences + 1];
            Arrays.setAll(starts, s -> s * tokens);
            Tensor q = ws.takeZeros(rows, 3 * headDim);
            Tensor k = ws.takeZeros(rows, 2 * headDim);
            Tensor v = ws.takeZeros(rows, 2 * headDim);
            Tensor out = ws.takeZeros(rows, 3 * headDim);
            Tensor lse = ws.takeZeros(rows, 3);
            for (DType type : DType.values()) {
                Weight weight = ops.prepare(new StoredMatrix(
                        "w", type, width, width, arena.allocate((long) width * width * type.bytes(), 64)));
                for (int n : new int[] {1, 4, rows}) {
                    ops.linear(ws.take(n, width), ws.takeZeros(n, width), weight, false);
                }
            }
            ops.attention(out, lse, q, KeyValues.packed(starts, k, v), heads);
            KeyValues one = new KeyValues(
                    new int[] {0, 1}, new int[] {tokens}, tokens, new Tensor[][] {{k}}, new Tensor[][] {{v}});
            ops.attention(out.rowRange(0, 1), lse.rowRange(0, 1), q.rowRange(0, 1), one, heads);
            assertWithin(ops.scratchBytes(), planned.forward(), planned.forward());
            ops.attentionBackward(
                    ws.takeZeros(rows, 3 * headDim), ws.takeZeros(rows, 2 * headDim), ws.takeZeros(rows, 2 * headDim),
                    out, out, lse, q, k, v, starts, heads);
            Tensor gate = ws.takeZeros(rows, width);
            ops.swigluBackward(ws.take(rows, width), ws.take(rows, width), Tensor.NONE, gate, gate, gate, Tensor.NONE);
            // Lanes are planned at their widest, and buffers that stay small at their largest.
            assertWithin(ops.scratchBytes(), planned.training(), 2L * ops.scratchBytes() + threads * 1_600_000L);
        }
    }

    private static void assertWithin(long held, long planned, long most) {
        assertTrue(held <= planned, "%,d held, %,d planned".formatted(held, planned));
        assertTrue(planned <= most, "%,d held, %,d planned".formatted(held, planned));
    }

    /// Attention grows with threads and context: of LLaMA-7B about 33 MB a thread at 8192 keys.
    @Test
    void longContextsTakeMore() {
        long two = new ScratchBytes(2, 128, 8192, 8192, 11_008).training();
        long sixteen = new ScratchBytes(16, 128, 8192, 8192, 11_008).training();
        assertEquals(35e6, (sixteen - two) / 14.0, 2e6);
        assertTrue(sixteen > 500L << 20, sixteen + " for 16 threads");
        assertThrows(IllegalArgumentException.class, () -> new ScratchBytes(0, 64, 1, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new ScratchBytes(1, 64, -1, 1, 1));
    }
}
