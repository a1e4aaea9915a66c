package espalier.bench;

import espalier.engine.generate.Generation;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.ModelFolder;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
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

/// Reading a prompt, last position only, and continuing it token by token.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3)
@Measurement(iterations = 5)
@Fork(value = 1, jvmArgsAppend = {
    "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC"})
public class GenerationBenchmark {
    /// Folder of the model, of any weights.
    @Param("")
    public String model;

    /// Tokens of the prompt.
    @Param({"1", "512"})
    public int prompt;

    /// Tokens that are generated.
    @Param({"1", "128"})
    public int tokens;

    /// Threads of the kernels.
    @Param("2")
    public int threads;

    private Ops ops;
    private ModelFolder folder;
    private Generator generator;
    private GenerationRequest request;
    private int[] first = {};
    private Generation last;

    /// Opens the model.
    @Setup
    public void open() throws IOException {
        ops = Backends.open(Backends.Choice.VECTOR, threads);
        folder = ModelFolder.open(Path.of(model), ops);
        generator = new Generator(folder.model());
        int vocab = folder.config().vocabSize();
        int[] ids = new int[prompt];
        Arrays.setAll(ids, i -> new Philox(1, 0).below(i, vocab));
        // No end token: every run has the same length.
        request = new GenerationRequest(ids, tokens, Set.of(), vocab);
    }

    /// @return what was generated
    @Benchmark
    public Generation run() {
        last = generator.generate(request, new Sampler(SamplingOptions.GREEDY), id -> true);
        first = first.length == 0 ? last.ids() : first;
        return last;
    }

    /// The same tokens each time, as many as asked for.
    @TearDown(Level.Trial)
    public void verify() {
        if (last.ids().length != tokens || !Arrays.equals(first, last.ids())) {
            throw new AssertionError("%s after %s".formatted(Arrays.toString(last.ids()), Arrays.toString(first)));
        }
        generator.close();
        folder.close();
        ops.close();
    }

    /// Measures without a harness, for a peer that is measured by turns: for each repeat prints the tokens of the
    /// prompt and the tokens after the first that were generated, each a second.
    ///
    /// @param arguments model folder, tokens of the prompt, tokens to generate, threads, repeats
    public static void main(String[] arguments) throws IOException {
        GenerationBenchmark benchmark = new GenerationBenchmark();
        benchmark.model = arguments[0];
        benchmark.prompt = Integer.parseInt(arguments[1]);
        benchmark.tokens = Integer.parseInt(arguments[2]);
        benchmark.threads = Integer.parseInt(arguments[3]);
        benchmark.open();
        for (int i = 0; i < Integer.parseInt(arguments[4]); i++) {
            Generation generation = benchmark.run();
            System.out.printf(Locale.ROOT, "%.1f %.1f%n", benchmark.prompt / generation.promptSeconds(),
                    generation.tokensPerSecond());
        }
        benchmark.verify();
    }
}
