package espalier.bench;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// [Ops#attention] and [Ops#attentionBackward] of packed sequences. Reported beside calls per second: `gigaflop`, 1e9
/// floating-point operations a second, those that the causal mask hides not counted.
///
/// The first answers are compared with the scalar backend's.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = {"--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class AttentionBenchmark {
    /// `sequences x tokens x headDim x heads x kvHeads`: SmolLM2-135M's layers and one with heads of 128.
    @Param({"8x128x64x9x3", "4x512x64x9x3", "1x512x128x8x2"})
    public String shape;

    /// Threads of an operation.
    @Param("1")
    public int threads;

    private Operands operands;
    private double forwardGigaflop;

    /// Work done, which JMH divides by the time.
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        /// 1e9 floating-point operations.
        public double gigaflop;
    }

    /// The same numbers in a backend's memory.
    private static final class Operands implements AutoCloseable {
        private final Ops ops;
        private final Workspace memory;
        private final int[] start;
        private final HeadMap heads;
        private final Tensor q;
        private final Tensor k;
        private final Tensor v;
        private final Tensor out;
        private final Tensor lse;
        private final Tensor dOut;
        private final Tensor dQ;
        private final Tensor dK;
        private final Tensor dV;

        Operands(Ops ops, int[] size) {
            this.ops = ops;
            memory = ops.newWorkspace();
            int rows = size[0] * size[1];
            start = new int[size[0] + 1];
            Arrays.setAll(start, i -> i * size[1]);
            int[] queriesPerKv = new int[size[4]];
            Arrays.fill(queriesPerKv, size[3] / size[4]);
            heads = HeadMap.of(queriesPerKv, size[2]);
            int width = heads.heads() * size[2];
            int kvWidth = size[4] * size[2];
            q = Shape.random(ops, memory, rows, width, 0);
            k = Shape.random(ops, memory, rows, kvWidth, 1);
            v = Shape.random(ops, memory, rows, kvWidth, 2);
            dOut = Shape.random(ops, memory, rows, width, 3);
            out = memory.take(rows, width);
            lse = memory.take(rows, heads.heads());
            dQ = memory.take(rows, width);
            dK = memory.take(rows, kvWidth);
            dV = memory.take(rows, kvWidth);
        }

        void forward() {
            ops.attention(out, lse, q, KeyValues.packed(start, k, v), heads);
        }

        void backward() {
            ops.attentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, start, heads);
        }

        @Override
        public void close() {
            memory.close();
            ops.close();
        }
    }

    /// Makes the operands and checks the first answers.
    @Setup(Level.Trial)
    public void prepare() {
        int[] size = Shape.parse(shape, 5);
        forwardGigaflop = 2e-9 * size[0] * size[3] * size[2] * size[1] * (size[1] + 1.0);
        operands = new Operands(Shape.vector(threads), size);
        operands.forward();
        operands.backward();
        try (Operands expected = new Operands(Shape.scalar(), size)) {
            expected.forward();
            expected.backward();
            compare("out", expected, expected.out, operands.out);
            compare("dQ", expected, expected.dQ, operands.dQ);
            compare("dK", expected, expected.dK, operands.dK);
            compare("dV", expected, expected.dV, operands.dV);
        }
    }

    private void compare(String name, Operands reference, Tensor expected, Tensor actual) {
        Shape.assertClose(
                shape + " " + name, Shape.host(reference.ops, expected), Shape.host(operands.ops, actual), 2e-5);
    }

    /// @param work what a call does
    @Benchmark
    public void forward(Work work) {
        operands.forward();
        work.gigaflop += forwardGigaflop;
    }

    /// @param work what a call does
    @Benchmark
    public void backward(Work work) {
        operands.backward();
        work.gigaflop += 2.5 * forwardGigaflop;
    }

    /// Ends the threads.
    @TearDown(Level.Trial)
    public void close() {
        operands.close();
    }
}
