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

/// Whole steps of a model: `-p model=FOLDER` names it. [#main] measures [NutePruneRun], too, which prepares more than a
/// single shot should.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3)
@Measurement(iterations = 5)
@Fork(value = 1, jvmArgsAppend = {
    "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"})
public class StepBenchmark {
    /// Which step.
    @Param({"PREFILL", "LORA", "IMPORTANCE"})
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

    private Ops ops;
    private ModelFolder folder;
    private Steps steps;
    private double last;

    /// Opens the model.
    @Setup
    public void open() throws IOException {
        int[] sizes = Arrays.stream(shape.split("x")).mapToInt(Integer::parseInt).toArray();
        ops = Backends.open(Backends.Choice.VECTOR, threads);
        folder = ModelFolder.open(Path.of(model), ops);
        steps = new Steps(folder, Steps.Kind.valueOf(step), sizes[0], sizes[1], limit(memory));
    }

    private static long limit(String memory) {
        return memory.equals("max") ? Long.MAX_VALUE : Long.parseLong(memory);
    }

    /// @return a loss
    @Benchmark
    public double run() {
        steps.run(1, (_, loss) -> last = loss);
        return last;
    }

    /// Closes the model.
    @TearDown(Level.Trial)
    public void close() {
        steps.close();
        folder.close();
        ops.close();
    }

    /// Measures without a harness, for a peer that is measured by turns: prints the plan, seconds and tokens a second
    /// of each step, one a line, and the most memory that the process had resident.
    ///
    /// @param arguments model folder, step (`prefill`, `lora`, `importance` or `nuteprune`), sequences, tokens,
    ///     threads, repeats, bytes that may be used or `max`, for `nuteprune` the share of gates that is drawn to be 0
    public static void main(String[] arguments) throws IOException {
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, Integer.parseInt(arguments[4]));
                ModelFolder folder = ModelFolder.open(Path.of(arguments[0]), ops);
                MeasuredRun run = run(folder, arguments)) {
            System.out.printf(Locale.ROOT, "useful_gflop %.1f%n", run.usefulFlops() * 1e-9);
            System.out.println("plan " + run.plan());
            run.run(Integer.parseInt(arguments[5]), (seconds, loss) -> System.out.printf(
                    Locale.ROOT, "seconds %.3f loss %.6f tokens_per_second %.1f%n",
                    seconds, loss, run.tokens() / seconds));
            System.out.println("peak_bytes " + PeakMemory.bytes());
        }
    }

    private static MeasuredRun run(ModelFolder folder, String[] arguments) {
        int sequences = Integer.parseInt(arguments[2]);
        int tokens = Integer.parseInt(arguments[3]);
        long memory = limit(arguments[6]);
        return arguments[1].equals("nuteprune")
                ? new NutePruneRun(folder, sequences, tokens, memory, Double.parseDouble(arguments[7]))
                : new Steps(
                        folder, Steps.Kind.valueOf(arguments[1].toUpperCase(Locale.ROOT)), sequences, tokens, memory);
    }
}
