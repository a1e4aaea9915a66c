package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.generate.GenerationRequest;
import espalier.engine.generate.Generator;
import espalier.engine.generate.Sampler;
import espalier.engine.generate.SamplingOptions;
import espalier.engine.model.Architecture;
import espalier.engine.model.InitialWeights;
import espalier.engine.model.Keep;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.StepPlan;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// All weights of a small model, trained from scratch to the written files.
class PretrainingTest {
    private static final ModelShape SHAPE = new ModelShape(
            40, 32, Collections.nCopies(2, LayerShape.uniform(4, 2, 8, 48)), true, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);

    @TempDir
    Path folder;

    private Ops ops;

    @BeforeEach
    void open() {
        ops = Backends.open(Backends.Choice.VECTOR, 2);
    }

    @AfterEach
    void close() {
        ops.close();
    }

    private static Examples examples(int count, long seed) {
        List<Example> list = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] ids = RandomModel.ids(SHAPE, 1, 6 + i % 7, seed + i)[0];
            // Something to learn: each token is the one before it plus 1.
            Arrays.setAll(ids, t -> t == 0 ? ids[0] : (ids[t - 1] + 1) % SHAPE.vocab());
            list.add(new Example(ids, 0));
        }
        return new Examples(list);
    }

    private static WeightTraining.Request training(long steps, int microBatch, long memory) {
        return training(steps, microBatch, memory, 0.01);
    }

    private static WeightTraining.Request training(long steps, int microBatch, long memory, double learningRate) {
        return new WeightTraining.Request(
                SHAPE,
                Architecture.LLAMA.tensors(SHAPE),
                new InitialWeights(3),
                new TrainingSettings(steps, 4, microBatch, 7, 1, 3, 2),
                new LearningRate(learningRate, LearningRate.Shape.COSINE, 1, steps),
                new AdamW.Settings(0.9, 0.95, 1e-8, 0.1),
                examples(13, 100),
                examples(5, 900),
                new TextSamples.Settings(
                        3, new GenerationRequest(new int[] {5}, 4, Set.of(), 40), SamplingOptions.GREEDY,
                        Arrays::toString),
                memory);
    }

    private Pretraining.Request request(long steps, int microBatch, StoredType type) throws IOException {
        Path like = folder.resolve("like-" + type);
        if (!Files.exists(like)) {
            try (RandomModel random = new RandomModel(SHAPE, 5)) {
                random.write(like, type);
            }
        }
        ObjectNode config = PretrainedConfig.read(like.resolve("config.json")).raw();
        return new Pretraining.Request(config, type, List.of(), training(steps, microBatch, Long.MAX_VALUE), "test");
    }

    private static Optional<ObjectNode> pretrain(
            Pretraining.Request request, Path out, RunFolder.Opening opening, TrainingWatch watch, Ops ops)
            throws IOException {
        RunConfig config = Pretraining.configuration(request, JsonNodeFactory.instance.objectNode(), ops);
        try (RunFolder run = RunFolder.open(out, config, opening)) {
            return Pretraining.run(request, run, watch, ops);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theNumberOfThreadsChangesNoBit(int threads) throws IOException {
        String expected = pretrain(
                        request(5, 2, StoredType.F32), folder.resolve("two"), RunFolder.Opening.NEW,
                        TrainingWatch.NONE, ops)
                .orElseThrow()
                .get("sha256")
                .textValue();
        try (Ops other = Backends.open(Backends.Choice.VECTOR, threads)) {
            ObjectNode result = pretrain(
                            request(5, 2, StoredType.F32), folder.resolve("other"), RunFolder.Opening.NEW,
                            TrainingWatch.NONE, other)
                    .orElseThrow();
            assertEquals(expected, result.get("sha256").textValue());
        }
    }

    @Test
    void keptAndComputedActivationsGiveTheSameBits() throws IOException {
        WeightTraining.Request kept = training(4, 2, Long.MAX_VALUE);
        long least = StepPlan.smallest(WeightTraining.workload(kept)).total();
        Trainer.Outcome first = WeightTraining.run(kept, RunRecord.NONE, TrainingWatch.NONE, ops);
        Trainer.Outcome second =
                WeightTraining.run(training(4, 2, least), RunRecord.NONE, TrainingWatch.NONE, ops);
        for (int i = 0; i < first.best().size(); i++) {
            assertArrayEquals(first.best().get(i).data(), second.best().get(i).data(), first.best().get(i).name());
        }
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> WeightTraining.run(
                                training(4, 2, least - 1), RunRecord.NONE, TrainingWatch.NONE, ops))
                .getMessage();
        assertTrue(message.startsWith("not enough memory: the run needs"), message);
    }

    @Test
    void theModelLearnsAndWhatIsWrittenIsWhatWasValidated() throws IOException {
        Path out = folder.resolve("out");
        Pretraining.Request request = request(150, 2, StoredType.F32);
        ObjectNode result = pretrain(request, out, RunFolder.Opening.NEW, TrainingWatch.NONE, ops).orElseThrow();
        double loss = result.get("validation_loss").doubleValue();
        assertTrue(loss < 0.5 * result.get("initial_validation_loss").doubleValue(), result.toString());
        assertEquals(FileHash.of(out.resolve("model.safetensors")), result.get("sha256").textValue());
        try (ModelFolder written = ModelFolder.open(out, ops);
                NextTokenLoss again = new NextTokenLoss(
                        written.model(), frozen(), Keep.LAYER_INPUTS, ops.newWorkspace())) {
            Objective.LossSum sum = again.evaluate(request.training().validation());
            assertEquals(loss, sum.mean(), 1e-5);
        }
        assertEquals(
                result.get("sha256"),
                pretrain(request, out, RunFolder.Opening.RESUME, TrainingWatch.NONE, ops).orElseThrow().get("sha256"));
        Files.delete(out.resolve("model.safetensors"));
        pretrain(request, out, RunFolder.Opening.RESUME, TrainingWatch.NONE, ops);
        assertEquals(FileHash.of(out.resolve("model.safetensors")), result.get("sha256").textValue());
    }

    private static NextTokenLoss.Role frozen() {
        return new NextTokenLoss.Role() {
            @Override
            public List<Parameter> parameters() {
                return List.of();
            }

            @Override
            public Pass training(long step, int firstRow) {
                return evaluation();
            }

            @Override
            public Pass evaluation() {
                return Pass.plain(2);
            }
        };
    }

    @Test
    void weightsAreRoundedToTheNearest() throws IOException {
        Path exact = folder.resolve("exact");
        Path rounded = folder.resolve("rounded");
        pretrain(request(3, 2, StoredType.F32), exact, RunFolder.Opening.NEW, TrainingWatch.NONE, ops);
        pretrain(request(3, 2, StoredType.BF16), rounded, RunFolder.Opening.NEW, TrainingWatch.NONE, ops);
        String name = "model.layers.1.mlp.up_proj.weight";
        try (Checkpoint full = Checkpoint.open(exact); Checkpoint half = Checkpoint.open(rounded)) {
            assertEquals(StoredType.BF16, half.get(name).type());
            float[] before = full.get(name).toFloats();
            float[] after = half.get(name).toFloats();
            for (int i = 0; i < before.length; i++) {
                assertEquals(before[i], after[i], Math.abs(before[i]) / 256 + 1e-38);
            }
        }
    }

    @Test
    void aStoppedRunEndsAtTheSameBytesAndSamples() throws IOException {
        Pretraining.Request request = request(7, 2, StoredType.BF16);
        Path whole = folder.resolve("whole");
        String expected = pretrain(request, whole, RunFolder.Opening.NEW, TrainingWatch.NONE, ops)
                .orElseThrow()
                .get("sha256")
                .textValue();
        Path out = folder.resolve("stopped");
        Optional<ObjectNode> result = Optional.empty();
        int stops = 0;
        while (result.isEmpty()) {
            // Long enough for a step of two parts and a validation.
            result = pretrain(request, out, RunFolder.Opening.RESUME, new TrainingWatch() {
                private int asked;

                @Override
                public boolean isStopRequested() {
                    return asked++ >= 7;
                }
            }, ops);
            stops++;
        }
        assertTrue(stops > 3, "the run was stopped only " + stops + " times");
        assertEquals(expected, result.get().get("sha256").textValue());
        assertEquals(samples(whole), samples(out));
        assertEquals(2, samples(out).size());
    }

    private static List<String> samples(Path out) throws IOException {
        return Files.readAllLines(out.resolve("run/metrics.jsonl")).stream()
                .filter(line -> line.contains("\"sample\""))
                .toList();
    }

    /// Weights of 1e15 are finite, what they compute is not.
    @Test
    void aSampleThatCannotBeWrittenEndsNoRun() {
        List<String> said = new ArrayList<>();
        TrainingWatch watch = new TrainingWatch() {
            @Override
            public void say(String message) {
                said.add(message);
            }
        };
        WeightTraining.Request diverging = training(4, 2, Long.MAX_VALUE, 1e15);
        assertEquals("no validation gave a finite loss, so no state can be called the best",
                assertThrows(
                                ArithmeticException.class,
                                () -> WeightTraining.run(diverging, RunRecord.NONE, watch, ops))
                        .getMessage());
        assertTrue(said.stream().anyMatch(line -> line.startsWith("no sample at step 3: the logit of token id ")),
                said.toString());
        assertTrue(said.stream().anyMatch(line -> line.startsWith("step 4 was skipped: ")), said.toString());
    }

    @Test
    void theSeedDecides() throws IOException {
        WeightTraining.Request training = training(2, 2, Long.MAX_VALUE);
        WeightTraining.Request other = new WeightTraining.Request(
                training.shape(), training.tensors(), new InitialWeights(4), training.settings(),
                training.learningRate(), training.optimiser(), training.training(), training.validation(),
                training.samples(), training.memory());
        assertNotEquals(
                WeightTraining.run(training, RunRecord.NONE, TrainingWatch.NONE, ops).loss(),
                WeightTraining.run(other, RunRecord.NONE, TrainingWatch.NONE, ops).loss());
    }

    @Test
    void theSamplesComeFromTheWeightsOfTheirStep() throws IOException {
        Path out = folder.resolve("out");
        Map<Long, String> told = new TreeMap<>();
        Pretraining.Request request = request(150, 4, StoredType.F32);
        ObjectNode result = pretrain(request, out, RunFolder.Opening.NEW, new TrainingWatch() {
            @Override
            public void sample(long step, String text) {
                told.put(step, text);
            }
        }, ops).orElseThrow();
        assertEquals(50, told.size());
        assertEquals("[5, 6, 7, 8, 9]", told.get(150L));
        try (ModelFolder model = ModelFolder.open(out, ops); Generator generator = new Generator(model.model())) {
            int[] ids = generator
                    .generate(request.training().samples().request(), new Sampler(SamplingOptions.GREEDY), id -> true)
                    .ids();
            String best = told.get(result.get("best_step").longValue());
            assertEquals(best, "[5, " + Arrays.toString(ids).substring(1));
        }
    }
}
