package espalier.bench;

import espalier.kernels.AdamWStep;
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

/// What is done row by row or element by element: losses, norms, activations, the optimiser. Reported beside calls per
/// second: `gigaElements`, 1e9 elements of the matrix a second.
///
/// Before it measures, each kernel's first answer on this data is compared with the scalar backend's.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = {"--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class RowBenchmark {
    /// The kernels.
    public enum Kernel {
        /// [Ops#crossEntropy] with its gradient.
        CROSS_ENTROPY,
        /// [Ops#klDivergence] with its gradient.
        KL,
        /// [Ops#rmsNorm].
        RMS_NORM,
        /// [Ops#rmsNormBackward].
        RMS_NORM_BACKWARD,
        /// [Ops#swiglu].
        SWIGLU,
        /// [Ops#swigluBackward].
        SWIGLU_BACKWARD,
        /// [Ops#adamW].
        ADAMW
    }

    /// Which one.
    @Param
    public Kernel kernel;

    /// `rows x columns`: in the caches, and SmolLM2-135M's logits of 128 tokens.
    @Param({"64x1536", "128x49152"})
    public String shape;

    /// Threads of an operation.
    @Param("1")
    public int threads;

    private Operands operands;

    /// Work done, which JMH divides by the time.
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        /// 1e9 elements.
        public double gigaElements;
    }

    /// The same numbers in a backend's memory, and the kernel over them.
    private static final class Operands implements AutoCloseable {
        private final Ops ops;
        private final Workspace memory;
        private final int rows;
        private final int cols;
        private final Tensor[] in;
        private final Tensor out;
        private final Tensor other;
        private final Tensor row;
        private final Tensor rowSum;
        private final Tensor rstd;
        private final double[] loss;
        private final int[] targets;

        Operands(Ops ops, int rows, int cols) {
            this.ops = ops;
            this.rows = rows;
            this.cols = cols;
            memory = ops.newWorkspace();
            in = new Tensor[3];
            Arrays.setAll(in, i -> Shape.random(ops, memory, rows, cols, i));
            out = Shape.random(ops, memory, rows, cols, 3);
            other = Shape.positive(ops, memory, rows, cols, 4);
            row = Shape.random(ops, memory, 1, cols, 5);
            rowSum = memory.takeZeros(1, cols);
            rstd = Shape.positive(ops, memory, rows, 1, 6);
            loss = new double[rows];
            targets = new int[rows];
            Arrays.setAll(targets, i -> (int) (i * 7919L % cols));
        }

        void run(Kernel kernel) {
            switch (kernel) {
                case CROSS_ENTROPY -> ops.crossEntropy(loss, out, targets, 0.5f);
                case KL -> ops.klDivergence(loss, out, in[0], 2, 0.5f);
                case RMS_NORM -> ops.rmsNorm(out, rstd, in[0], row, 1e-5f, cols);
                case RMS_NORM_BACKWARD -> ops.rmsNormBackward(out, rowSum, in[0], in[1], row, rstd, cols);
                case SWIGLU -> ops.swiglu(out, in[0], in[1], Tensor.NONE);
                case SWIGLU_BACKWARD -> ops.swigluBackward(out, other, Tensor.NONE, in[0], in[1], in[2], Tensor.NONE);
                case ADAMW -> ops.adamW(out, in[0], other, in[1], new AdamWStep(1e-3, 0.9, 0.999, 1e-8, 0.1, 10, 1));
            }
        }

        float[] answer() {
            return Shape.host(ops, out);
        }

        @Override
        public void close() {
            memory.close();
            ops.close();
        }
    }

    /// Makes the operands and checks the first answer.
    @Setup(Level.Trial)
    public void prepare() {
        int[] size = Shape.parse(shape, 2);
        operands = new Operands(Shape.vector(threads), size[0], size[1]);
        operands.run(kernel);
        try (Operands expected = new Operands(Shape.scalar(), size[0], size[1])) {
            expected.run(kernel);
            Shape.assertClose(kernel + " " + shape, expected.answer(), operands.answer(), 2e-5);
        }
    }

    /// One call. Outputs that are also inputs change from call to call; the work stays the same.
    ///
    /// @param work what a call does
    @Benchmark
    public void run(Work work) {
        operands.run(kernel);
        work.gigaElements += 1e-9 * operands.rows * operands.cols;
    }

    /// Ends the threads.
    @TearDown(Level.Trial)
    public void close() {
        operands.close();
    }
}
