package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.Progress;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.testing.ChildJvm;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Scores, plan and written files have the same bits whatever the number of threads and whether kernels have been
/// compiled yet.
class PruningBitsTest {
    private static final ModelShape SHAPE = new ModelShape(
            50, 24, List.of(LayerShape.uniform(4, 2, 8, 37), LayerShape.uniform(4, 2, 8, 37)), false,
            new ModelShape.Biases(true, true, true), 1e-5, 10_000, 64);
    private static final int RUNS = 30;

    @TempDir
    Path folder;

    @BeforeEach
    void write() throws IOException {
        try (RandomModel random = new RandomModel(SHAPE, 7)) {
            random.write(folder.resolve("source"), StoredType.F32);
        }
    }

    /// Prunes once and prints the digest.
    static final class Once {
        private Once() {}

        /// @param args a folder with `source` in it, a name for the result
        public static void main(String[] args) throws IOException {
            System.out.println(digest(Path.of(args[0]), args[1], 2));
        }
    }

    /// Hashes of the scores, and of all that is written: heads and channels first, then hidden channels of the result.
    private static String digest(Path folder, String name, int threads) throws IOException {
        LayerRange all = new LayerRange(0, 2);
        Path block = prune(folder.resolve("source"), folder.resolve(name + "-block"),
                new Selection.Local(all, all, 1), threads);
        Path channel = prune(block, folder.resolve(name + "-channel"),
                new Selection.Channels(NormRule.EXACT), threads);
        return hash(folder.resolve(name + "-block.scores")) + hash(folder.resolve(name + "-channel.scores"))
                + hash(block) + hash(channel);
    }

    private static Path prune(Path source, Path out, Selection selection, int threads) throws IOException {
        LlmPruner.Settings settings = new LlmPruner.Settings(
                new UnitScorer.Settings(Importance.PARAM_MIX, Reduction.Stacked.SUM, GqaFold.BY_GROUP),
                selection, new SizeTarget.GroupRatio(0.4), 1, 42);
        Path scores = Path.of(out + ".scores");
        Files.deleteIfExists(scores);
        try (Ops ops = Backends.open(Backends.Choice.VECTOR, threads);
                ModelFolder open = ModelFolder.open(source, ops)) {
            int[][] samples = RandomModel.ids(SHAPE, 2, 8, 3);
            LlmPruner.Chosen chosen = LlmPruner.choose(open, settings, step -> samples,
                    Optional.of(new LlmPruner.ScoresAt(scores, Map.of())), Long.MAX_VALUE, Progress.NONE);
            Compaction.write(open, chosen.plan(), new Compaction.Request(out, Optional.of(DType.BF16),
                    new CheckpointWriter.Options(1L << 40, true), Optional.empty(), Map.of(), samples));
        }
        return out;
    }

    /// Names and contents of a file, or of all in a folder.
    private static String hash(Path path) throws IOException {
        var digest = StoredTensor.newSha256();
        try (Stream<Path> files = Files.walk(path)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String name = file.getFileName().toString().replaceFirst("^[^.]*-", "");
                digest.update(name.getBytes(StandardCharsets.UTF_8));
                digest.update(Files.readAllBytes(file));
            }
        }
        return HexFormat.of().formatHex(digest.digest()) + "\n";
    }

    @Test
    void threadsAndCompilationChangeNoBit() throws IOException, InterruptedException {
        String first = digest(folder, "first", 1);
        for (int run = 2; run <= RUNS; run++) {
            assertEquals(first, digest(folder, "again", 1 + run % 2), "run " + run);
        }
        String interpreted = ChildJvm.run(List.of(), List.of("-Xint"), Once.class, folder.toString(), "interpreted");
        assertEquals(first, interpreted.stripTrailing() + "\n");
    }
}
