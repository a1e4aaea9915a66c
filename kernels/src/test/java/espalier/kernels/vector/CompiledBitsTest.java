package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/// Interpreted and compiled kernels give the same bits: a process that only interprets against this one, when every
/// kernel has been compiled.
class CompiledBitsTest {
    /// Prints a digest of the results of all kernels.
    static final class Digest {
        private Digest() {}

        /// @param args how often to run each kernel before its results are taken
        public static void main(String[] args) {
            System.out.println(digests(Integer.parseInt(args[0])));
        }
    }

    private static List<Integer> digests(int turns) {
        List<Integer> digests = new ArrayList<>();
        try (Arena arena = Arena.ofConfined(); Parallel parallel = new Parallel(1);
                Gemm gemm = new Gemm(parallel); Gemv gemv = new Gemv(parallel);
                Attention attention = new Attention(parallel, gemm);
                AttentionBackward backward = new AttentionBackward(parallel, gemm)) {
            for (DType type : DType.values()) {
                for (Gemm.Form form : Gemm.Form.values()) {
                    digests.add(product(arena, gemm, form, type, turns));
                }
                digests.add(fewRows(arena, gemv, type, turns));
            }
            digests.add(attention(arena, attention, backward, turns));
            digests.add(exponentials(turns));
        }
        return digests;
    }

    private static int product(Arena arena, Gemm gemm, Gemm.Form form, DType type, int turns) {
        int m = 29;
        int n = 75;
        int k = 65;
        boolean tn = form == Gemm.Form.TN;
        boolean nt = form == Gemm.Form.NT;
        TestMatrix a = new TestMatrix(arena, DType.F32, tn ? k : m, tn ? m : k, 0, 1);
        TestMatrix b = new TestMatrix(arena, type, nt ? n : k, nt ? k : n, 0, 2);
        TestMatrix c = new TestMatrix(arena, DType.F32, m, n, 0, 3);
        for (int i = 0; i < turns; i++) {
            gemm.run(form, m, n, k, c.address, c.stride, a.address, a.stride, b.address, type, b.stride, 0.3f, false);
        }
        return Arrays.hashCode(c.values());
    }

    private static int fewRows(Arena arena, Gemv gemv, DType type, int turns) {
        TestMatrix w = new TestMatrix(arena, type, 20, 333, 0, 1);
        TestMatrix x = new TestMatrix(arena, DType.F32, 3, 333, 0, 2);
        TestMatrix y = new TestMatrix(arena, DType.F32, 3, 20, 0, 3);
        TestMatrix z = new TestMatrix(arena, DType.F32, 1, 20, 0, 3);
        for (int i = 0; i < turns; i++) {
            gemv.run(3, 20, 333, y.address, 20, x.address, 333, w.address, type, false);
            gemv.run(1, 20, 333, z.address, 20, x.address, 333, w.address, type, false);
        }
        return 31 * Arrays.hashCode(y.values()) + Arrays.hashCode(z.values());
    }

    private static int attention(Arena arena, Attention attention, AttentionBackward backward, int turns) {
        HeadMap heads = HeadMap.of(new int[] {2, 1}, 16);
        int[] starts = {0, 20, 21, 50};
        Tensor[] in = new Tensor[4];
        for (int i = 0; i < 4; i++) {
            in[i] = tensor(new TestMatrix(arena, DType.F32, 50, i == 1 || i == 2 ? 32 : 48, 0, i));
        }
        TestMatrix[] outs = new TestMatrix[5];
        Tensor[] to = new Tensor[5];
        int[] widths = {48, 3, 48, 32, 32};
        for (int i = 0; i < 5; i++) {
            outs[i] = new TestMatrix(arena, DType.F32, 50, widths[i], 0, 4 + i);
            to[i] = tensor(outs[i]);
        }
        for (int i = 0; i < turns; i++) {
            attention.forward(to[0], to[1], in[0], KeyValues.packed(starts, in[1], in[2]), heads);
            backward.run(to[2], to[3], to[4], in[3], to[0], to[1], in[0], in[1], in[2], starts, heads);
        }
        return Arrays.deepHashCode(Arrays.stream(outs).map(TestMatrix::values).toArray());
    }

    private static Tensor tensor(TestMatrix matrix) {
        return new Tensor(matrix.address, matrix.rows, matrix.cols);
    }

    private static int exponentials(int turns) {
        float[] x = new float[4096];
        float[] y = new float[4096];
        for (int i = 0; i < x.length; i++) {
            x[i] = -105 + i * 0.0475f;
        }
        for (int turn = 0; turn < turns; turn++) {
            for (int i = 0; i < x.length; i += Lanes.COUNT) {
                VectorMath.exp(FloatVector.fromArray(Lanes.F32, x, i)).intoArray(y, i);
            }
        }
        return Arrays.hashCode(y);
    }

    @Test
    void interpretedAndCompiledKernelsGiveTheSameBits() throws IOException, InterruptedException {
        List<Integer> compiled = digests(1000);
        assertEquals(compiled.toString(), ChildProcess.run(Digest.class, "1", "-Xint").strip());
        assertNotEquals(compiled.getFirst(), compiled.get(1));
    }
}
