package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Dropout;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import espalier.kernels.cpu.CpuWeight;
import espalier.kernels.testing.ChildJvm;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Test;

/// A canary: kernels that the compiler boxed, spilled or left with C1 are 3 to 200 times slower than they should be,
/// and nothing but their time shows all of these.
///
/// Times are never judged alone. Each kernel runs by turns with a loop of a few lines that is bound by the same unit of
/// the machine, and what counts is the ratio of their best times over all rounds; rounds go on until the ratio is good
/// or time is up. In a process of its own, whose profiles no other test has written to.
///
/// Measured on Zen 5 under a load of 6 on 2 processors, 512-bit lanes (256, 128): linear of 96 rows 1.33 to 1.34 (1.25,
/// 1.21), of 1 row 1.16 to 1.21 (1.31, 1.41), cross-entropy 4.7 to 4.8 (3.7, 3.6), swiglu 2.4 to 2.5 (2.5, 2.4);
/// of an Intel Xeon with AVX-512 1.45 (1.41, 1.37), 1.21 (1.29, 1.10), 2.9 (2.9, 2.9), 3.9 (3.0, 3.1); dropout there 2.0
/// (2.0, 2.1). No slowness by a factor of 3 is within the limits.
class ThroughputTest {
    /// Prints the ratios of the kernels that are too slow.
    static final class Canary {
        private static final long MOST_SECONDS = 20;
        /// Enough for the yardsticks, a few lines each, to be compiled.
        private static final int ROUNDS = 100;
        private static final int L = Lanes.COUNT;
        private static final long W = Lanes.BYTES;
        private static final VectorSpecies<Long> I64 = Lanes.F32.withLanes(long.class);

        private Canary() {}

        /// @param arguments none
        public static void main(String[] arguments) {
            try (Ops ops = Backends.open(Backends.Choice.VECTOR, 1); Workspace memory = ops.newWorkspace();
                    Arena arena = Arena.ofShared()) {
                product(ops, memory, arena);
                fewRows(ops, memory, arena);
                attention(ops, memory);
                softmax(ops, memory);
                swiglu(ops, memory);
                dropout(ops, memory);
            }
        }

        /// @param name of the kernel
        /// @param most the ratio that is still good: time of the kernel by that of the yardstick, both per unit of work
        private static void compare(String name, double most, Work kernel, Work yardstick) {
            double best = Double.POSITIVE_INFINITY;
            double bestYardstick = Double.POSITIVE_INFINITY;
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOST_SECONDS);
            do {
                for (int i = 0; i < ROUNDS; i++) {
                    bestYardstick = Math.min(bestYardstick, yardstick.time());
                    best = Math.min(best, kernel.time());
                }
            } while (!(best <= most * bestYardstick) && System.nanoTime() < deadline);
            if (!(best <= most * bestYardstick)) {
                System.out.printf("%s takes %.2f times its yardstick's time, expected at most %.2f%n",
                        name, best / bestYardstick, most);
            }
        }

        /// @param units what the time is divided by
        private record Work(double units, Runnable body) {
            double time() {
                long start = System.nanoTime();
                body.run();
                return (System.nanoTime() - start) / units;
            }
        }

        /// A product whose tiles have the most rows, against multiply-adds in registers.
        private static void product(Ops ops, Workspace memory, Arena arena) {
            int tokens = 96;
            int inputs = 576;
            int outputs = 512;
            Tensor x = filled(ops, memory, tokens, inputs);
            Tensor y = filled(ops, memory, tokens, outputs);
            Weight w = weight(ops, arena, DType.F32, outputs, inputs);
            int steps = 100_000;
            compare("linear of 96 rows", 2.5,
                    new Work((double) tokens * inputs * outputs, () -> ops.linear(y, x, w, false)),
                    new Work(8.0 * L * steps, () -> multiplyAdd(y.address(), steps)));
        }

        /// A weight of 28 MB is streamed from memory: against reading it.
        private static void fewRows(Ops ops, Workspace memory, Arena arena) {
            int inputs = 576;
            int outputs = 24_576;
            Tensor x = filled(ops, memory, 1, inputs);
            Tensor y = filled(ops, memory, 1, outputs);
            Weight w = weight(ops, arena, DType.BF16, outputs, inputs);
            Tensor sum = filled(ops, memory, 1, L);
            long from = CpuWeight.from(w).rowAddress(0);
            int registers = outputs * inputs / (2 * L);
            compare("linear of 1 row", 2.4, new Work(1, () -> ops.linear(y, x, w, false)),
                    new Work(1, () -> read(sum.address(), from, registers)));
        }

        /// Attention and its gradients, against multiply-adds in registers: those of scores that the mask hides do not
        /// count as work.
        private static void attention(Ops ops, Workspace memory) {
            int tokens = 256;
            HeadMap heads = HeadMap.of(new int[] {3}, 64);
            Tensor q = filled(ops, memory, tokens, 3 * 64);
            Tensor k = filled(ops, memory, tokens, 64);
            Tensor v = filled(ops, memory, tokens, 64);
            Tensor out = filled(ops, memory, tokens, 3 * 64);
            Tensor lse = filled(ops, memory, tokens, 3);
            Tensor dQ = filled(ops, memory, tokens, 3 * 64);
            Tensor dK = filled(ops, memory, tokens, 64);
            Tensor dV = filled(ops, memory, tokens, 64);
            int[] starts = {0, tokens};
            KeyValues kv = KeyValues.packed(starts, k, v);
            double work = 3.0 * 64 * tokens * (tokens + 1);
            int steps = 100_000;
            Work yardstick = new Work(8.0 * L * steps, () -> multiplyAdd(lse.address(), steps));
            compare("attention", 6, new Work(work, () -> ops.attention(out, lse, q, kv, heads)), yardstick);
            ops.attention(out, lse, q, kv, heads);
            compare("attention backward", 6, new Work(2.5 * work, () ->
                    ops.attentionBackward(dQ, dK, dV, q, out, lse, q, k, v, starts, heads)), yardstick);
        }

        private static void softmax(Ops ops, Workspace memory) {
            int rows = 2;
            int vocab = 49_152;
            Tensor logits = filled(ops, memory, rows, vocab);
            Tensor other = filled(ops, memory, rows, vocab);
            double[] loss = new double[rows];
            int[] targets = {1, 2};
            int registers = rows * vocab / L;
            compare("cross-entropy", 8, new Work(1, () -> ops.crossEntropy(loss, logits, targets, 1)),
                    new Work(1, () -> polynomial(other.address(), registers)));
        }

        private static void swiglu(Ops ops, Workspace memory) {
            int tokens = 64;
            int ffn = 1536;
            Tensor gate = filled(ops, memory, tokens, ffn);
            Tensor up = filled(ops, memory, tokens, ffn);
            Tensor y = filled(ops, memory, tokens, ffn);
            Tensor other = filled(ops, memory, tokens, ffn);
            int registers = tokens * ffn / L;
            compare("swiglu", 5, new Work(1, () -> ops.swiglu(y, gate, up, Tensor.NONE)),
                    new Work(1, () -> polynomial(other.address(), registers)));
        }

        /// Its random bits are integer arithmetic in lanes of 64 bits, of which some machines do half as much at a time
        /// as of floating-point: 5 multiplications and 25 cheap operations for each register of 32-bit lanes.
        private static void dropout(Ops ops, Workspace memory) {
            int tokens = 64;
            int hidden = 1536;
            Tensor x = filled(ops, memory, tokens, hidden);
            Tensor y = filled(ops, memory, tokens, hidden);
            Tensor other = filled(ops, memory, tokens, hidden);
            int registers = tokens * hidden / L;
            Dropout key = new Dropout(0.1, 1, 2, 3, 4);
            int[] zeros = new int[tokens];
            compare("dropout", 3, new Work(1, () -> ops.dropout(y, x, key, zeros, zeros, false)),
                    new Work(1, () -> mix(other.address(), registers)));
        }

        private static Tensor filled(Ops ops, Workspace memory, int rows, int cols) {
            Tensor tensor = memory.take(rows, cols);
            ops.fill(tensor, 1);
            return tensor;
        }

        private static Weight weight(Ops ops, Arena arena, DType type, int rows, int cols) {
            return ops.prepare(new StoredMatrix(
                    "w", type, rows, cols, arena.allocate((long) rows * cols * type.bytes(), 64)));
        }

        /// Eight chains of dependent multiply-adds: as many as the machine has under way.
        private static void multiplyAdd(long to, int steps) {
            FloatVector a = Access.load(to).mul(1e-3f);
            FloatVector s0 = a;
            FloatVector s1 = a;
            FloatVector s2 = a;
            FloatVector s3 = a;
            FloatVector s4 = a;
            FloatVector s5 = a;
            FloatVector s6 = a;
            FloatVector s7 = a;
            for (int i = 0; i < steps; i++) {
                s0 = s0.fma(a, a);
                s1 = s1.fma(a, a);
                s2 = s2.fma(a, a);
                s3 = s3.fma(a, a);
                s4 = s4.fma(a, a);
                s5 = s5.fma(a, a);
                s6 = s6.fma(a, a);
                s7 = s7.fma(a, a);
            }
            Access.store(to, s0.add(s1).add(s2.add(s3)).add(s4.add(s5).add(s6.add(s7))));
        }

        private static void read(long to, long from, int registers) {
            IntVector any = IntVector.zero(Lanes.I32);
            long end = from + registers * W;
            for (long p = from; p != end; p += W) {
                any = Access.load(p).reinterpretAsInts().or(any);
            }
            Access.store(to, any.reinterpretAsFloats());
        }

        /// A polynomial of degree 12 of each element, as much arithmetic as an exponential.
        private static void polynomial(long x, int registers) {
            FloatVector c = FloatVector.broadcast(Lanes.F32, 0.01f);
            for (int i = 0; i < registers; i++) {
                FloatVector v = Access.load(x + i * W);
                FloatVector p = c.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                p = p.fma(v, c);
                Access.store(x + i * W, p.fma(v, c));
            }
        }

        /// Five multiplications of the low halves of 64-bit lanes, each with three cheap operations.
        private static void mix(long x, int registers) {
            LongVector low = LongVector.broadcast(I64, 0xFFFFFFFFL);
            LongVector c = LongVector.broadcast(I64, 0xD2511F53L);
            for (int i = 0; i < registers; i++) {
                LongVector v = Access.load(x + i * W).reinterpretAsLongs();
                v = v.and(low).mul(c).lanewise(VectorOperators.XOR, v.lanewise(VectorOperators.LSHR, 32));
                v = v.and(low).mul(c).lanewise(VectorOperators.XOR, v.lanewise(VectorOperators.LSHR, 32));
                v = v.and(low).mul(c).lanewise(VectorOperators.XOR, v.lanewise(VectorOperators.LSHR, 32));
                v = v.and(low).mul(c).lanewise(VectorOperators.XOR, v.lanewise(VectorOperators.LSHR, 32));
                v = v.and(low).mul(c).lanewise(VectorOperators.XOR, v.lanewise(VectorOperators.LSHR, 32));
                Access.store(x + i * W, v.reinterpretAsFloats());
            }
        }
    }

    @Test
    void kernelsAreAsFastAsTheirYardsticks() throws Exception {
        assertEquals("", ChildJvm.run(List.of(), List.of("-Xmx256m"), Canary.class));
    }
}
