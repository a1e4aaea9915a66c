package espalier.bench;

import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// [Ops#linear] of the vector backend. Reported beside calls per second: `gigaflop` (1e9 floating-point operations a
/// second) and `weightGigabytes` (1e9 bytes of the weight, as stored, a second: what bounds a single token).
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 2, jvmArgsAppend = {"--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class GemmBenchmark {
    /// Output channels whose values are checked, for all tokens.
    private static final int CHECKED = 8;

    /// `tokens x inputs x outputs`: SmolLM2-135M's up projection in training and in a short prefill, and its language
    /// model head in decoding.
    @Param({"512x576x1536", "32x576x1536", "1x576x49152"})
    public String shape;

    /// Element type of the weight.
    @Param({"F32", "BF16"})
    public DType type;

    /// Whether the weight is packed once, before the product.
    @Param({"false", "true"})
    public boolean packed;

    /// Threads of a product.
    @Param("1")
    public int threads;

    private final Arena arena = Arena.ofShared();
    private int tokens;
    private int inputs;
    private int outputs;
    private MemorySegment weights;
    private float[] activations;
    private Ops ops;
    private Workspace memory;
    private Weight w;
    private Tensor x;
    private Tensor y;

    /// Work done, which JMH divides by the time.
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        /// 1e9 floating-point operations.
        public double gigaflop;
        /// 1e9 bytes of the weight.
        public double weightGigabytes;
    }

    /// Fills the operands with random numbers that the weight's type holds exactly.
    @Setup
    public void prepare() {
        String[] sizes = shape.split("x");
        if (sizes.length != 3) {
            throw new IllegalArgumentException("shape is " + shape + ", expected tokens x inputs x outputs");
        }
        tokens = Integer.parseInt(sizes[0]);
        inputs = Integer.parseInt(sizes[1]);
        outputs = Integer.parseInt(sizes[2]);
        activations = uniform(tokens * inputs, 1);
        weights = stored(uniform(outputs * inputs, 2));
        ops = Backends.open(Backends.Choice.VECTOR, threads);
        memory = ops.newWorkspace();
        w = ops.prepare(new StoredMatrix("w", type, outputs, inputs, weights));
        if (packed) {
            w = ops.pack(w, memory);
        }
        x = memory.take(tokens, inputs);
        y = memory.take(tokens, outputs);
        ops.fromHost(activations, x);
    }

    private static float[] uniform(int n, long seed) {
        Philox random = new Philox(seed, 0);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = 2 * random.uniformFloat(i) - 1;
        }
        return values;
    }

    private MemorySegment stored(float[] values) {
        MemorySegment data = arena.allocate((long) values.length * type.bytes(), 64);
        for (int i = 0; i < values.length; i++) {
            switch (type) {
                case F32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
                case BF16 -> data.setAtIndex(
                        ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(values[i]) >>> 16));
                case F16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
            }
        }
        return data;
    }

    /// `y = x W^T`.
    ///
    /// @param work what a call does
    @Benchmark
    public void linear(Work work) {
        ops.linear(y, x, w, false);
        work.gigaflop += 2e-9 * tokens * inputs * outputs;
        work.weightGigabytes += 1e-9 * weights.byteSize();
    }

    /// Compares some columns of the last result with the scalar backend's.
    @TearDown
    public void verify() {
        float[] actual = new float[tokens * outputs];
        ops.toHost(y, actual);
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1); Workspace room = scalar.newWorkspace()) {
            Tensor same = room.take(tokens, inputs);
            scalar.fromHost(activations, same);
            Tensor column = room.take(tokens, 1);
            float[] expected = new float[tokens];
            for (int i = 0; i < CHECKED; i++) {
                int output = (int) ((outputs - 1L) * i / (CHECKED - 1));
                long rowBytes = (long) inputs * type.bytes();
                MemorySegment row = weights.asSlice(output * rowBytes, rowBytes);
                scalar.linear(column, same, scalar.prepare(new StoredMatrix("row", type, 1, inputs, row)), false);
                scalar.toHost(column, expected);
                for (int t = 0; t < tokens; t++) {
                    check(t, output, expected[t], actual[t * outputs + output]);
                }
            }
        }
        memory.close();
        ops.close();
        arena.close();
    }

    private void check(int token, int output, float expected, float actual) {
        // Sums of random signs: rounding grows with the square root of their length.
        double tolerance = 1e-6 * Math.sqrt(inputs);
        if (!(Math.abs(actual - expected) <= tolerance)) {
            throw new AssertionError("%s %s: y[%d, %d] is %s, expected %s +- %s"
                    .formatted(shape, type, token, output, actual, expected, tolerance));
        }
    }
}
