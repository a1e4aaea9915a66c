package espalier.bench;

import espalier.bindings.PeakMemory;
import espalier.engine.model.ModelFolder;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
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

/// Whole [Steps] of a model: `-p model=FOLDER` names it. Two steps in a row must give the same loss, or one must fall.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3)
@Measurement(iterations = 5)
@Fork(value = 1, jvmArgsAppend = {
    "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"})
public class StepBenchmark {
    /// Which step.
    @Param({"PREFILL", "LORA", "IMPORTANCE", "TWO_ROLES"})
    public String step;

    /// A model folder.
    @Param("")
    public String model;

    /// Sequences and tokens of each.
    @Param("4x512")
    public String shape;

    /// Bytes that the process may use, or `max`.
    @Param("max")
    public String memory;

    /// Threads of an operation.
    @Param("2")
    public int threads;

    /// Share of the student's heads and FFN channels that is gated to 0, for `TWO_ROLES`.
    @Param("0")
    public double zeros;

    private Ops ops;
    private ModelFolder folder;
    private Steps steps;
    private DoubleSupplier body;
    private double first = Double.NaN;
    private double last;

    /// Opens the model.
    @Setup
    public void open() throws IOException {
        int[] sizes = Arrays.stream(shape.split("x")).mapToInt(Integer::parseInt).toArray();
        ops = Backends.open(Backends.Choice.VECTOR, threads);
        folder = ModelFolder.open(Path.of(model), ops);
        steps = new Steps(folder, Steps.Kind.valueOf(step), sizes[0], sizes[1], limit(memory), zeros);
        body = steps.step();
    }

    private static long limit(String memory) {
        return memory.equals("max") ? Long.MAX_VALUE : Long.parseLong(memory);
    }

    /// @return a loss
    @Benchmark
    public double run() {
        last = body.getAsDouble();
        first = Double.isNaN(first) ? last : first;
        return last;
    }

    /// A step that is repeated gives the same answer; one that trains gives a smaller one.
    @TearDown(Level.Trial)
    public void verify() {
        boolean trains = step.equals(Steps.Kind.LORA.name());
        if (!(trains ? last <= first : last == first || step.equals(Steps.Kind.TWO_ROLES.name()) && last >= 0)) {
            throw new AssertionError("%s: %s after %s".formatted(step.toLowerCase(Locale.ROOT), last, first));
        }
        steps.close();
        folder.close();
        ops.close();
    }

    /// Measures without a harness, for a peer that is measured by turns: prints the plan, seconds of each step, one a
    /// line, and the most memory that the process had resident.
    ///
    /// @param arguments model folder, step, sequences, tokens, threads, repeats, bytes that may be used or `max`,
    ///     share of gates at 0
    public static void main(String[] arguments) throws IOException {
        Steps.Kind kind = Steps.Kind.valueOf(arguments[1].toUpperCase(Locale.ROOT));
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, Integer.parseInt(arguments[4]));
                ModelFolder folder = ModelFolder.open(Path.of(arguments[0]), ops);
                Steps steps = new Steps(
                        folder, kind, Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]),
                        limit(arguments[6]), Double.parseDouble(arguments[7]))) {
            DoubleSupplier body = steps.step();
            System.out.printf(Locale.ROOT, "useful_gflop %.1f%n", steps.usefulFlops() * 1e-9);
            System.out.println("plan " + steps.plan());
            for (int i = 0; i < Integer.parseInt(arguments[5]); i++) {
                long start = System.nanoTime();
                double loss = body.getAsDouble();
                System.out.printf(Locale.ROOT, "seconds %.3f loss %.6f%n", (System.nanoTime() - start) * 1e-9, loss);
            }
            System.out.println("peak_bytes " + PeakMemory.bytes());
        }
    }
}
