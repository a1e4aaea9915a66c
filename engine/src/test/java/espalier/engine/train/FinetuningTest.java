package espalier.engine.train;

import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Keep;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.StepPlan;
import espalier.engine.model.WeightGradients;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.FileHash;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Adapters of a small random model, trained with dropout, from the gradients to the written files.
class FinetuningTest {
    private static final ModelShape SHAPE = new ModelShape(
            40, 32, Collections.nCopies(2, LayerShape.uniform(4, 2, 8, 48)), true, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);
    private static final LoraSettings LORA = LoraSettings.of(4, 8, 0.25, LoraSettings.ALL_LINEAR);

    @TempDir
    Path folder;

    private Ops ops;
    private ModelFolder base;

    @BeforeEach
    void open() throws IOException {
        ops = Backends.open(Backends.Choice.VECTOR, 2);
        try (RandomModel random = new RandomModel(SHAPE, 5)) {
            base = ModelFolder.open(random.write(folder.resolve("base"), StoredType.F32), ops);
        }
    }

    @AfterEach
    void close() {
        base.close();
        ops.close();
    }

    private static Examples examples(int count, long seed) {
        List<Example> list = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] ids = RandomModel.ids(SHAPE, 1, 5 + i % 7, seed + i)[0];
            // Something to learn: the second half repeats the first.
            System.arraycopy(ids, 0, ids, ids.length / 2, ids.length / 2);
            list.add(new Example(ids, i % 3));
        }
        return new Examples(list);
    }

    private static LoraState state(long seed) {
        LoraState state = LoraState.initial(SHAPE, LORA, seed);
        // B is zero at first, and with it A's gradient.
        state.factors().forEach(factors -> Arrays.fill(factors.b(), 0.01f));
        return state;
    }

    private static Finetuning.Request request(long steps, int microBatch) {
        TrainingSettings settings = new TrainingSettings(steps, 4, microBatch, 7, 1, 3, 2);
        return new Finetuning.Request(
                "base",
                new LoraTraining.Request(
                        LoraState.initial(SHAPE, LORA, 3),
                        settings,
                        new LearningRate(0.02, LearningRate.Shape.COSINE, 1, steps),
                        AdamW.Settings.DEFAULT.withWeightDecay(0.01),
                        examples(13, 100),
                        examples(5, 900),
                        Long.MAX_VALUE),
                true,
                1 << 30,
                "test");
    }

    private Optional<ObjectNode> finetune(
            Finetuning.Request request, Path out, RunFolder.Opening opening, TrainingWatch watch) throws IOException {
        RunConfig config = Finetuning.configuration(base, request, JsonNodeFactory.instance.objectNode());
        try (RunFolder run = RunFolder.open(out, config, opening)) {
            return Finetuning.run(base, request, run, watch);
        }
    }

    /// Gradients of one batch of four, cut and shared among ranks.
    private float[][] gradients(int microBatch, int ranks) {
        Examples batch = examples(4, 50);
        double scale = 1.0 / batch.list().stream().mapToInt(Example::labels).sum();
        int parts = batch.size() / microBatch;
        try (LoraWeights adapters = LoraWeights.trained(state(11), ops);
                NextTokenLoss loss = new NextTokenLoss(
                        base.model(), role(adapters), Keep.ACTIVATIONS, ops.newWorkspace())) {
            List<GradientTree> trees = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                GradientTree tree = new GradientTree(adapters.parameters(), ops);
                for (int part = rank * parts / ranks; part < (rank + 1) * parts / ranks; part++) {
                    int from = part * microBatch;
                    Examples rows = new Examples(batch.list().subList(from, from + microBatch));
                    loss.train(new Objective.MicroBatch(rows, 2, from, batch.size(), scale));
                    tree.take(part);
                }
                trees.add(tree);
            }
            trees.subList(1, ranks).forEach(trees.getFirst()::merge);
            trees.getFirst().finish(parts);
            trees.forEach(GradientTree::close);
            return adapters.parameters().stream()
                    .map(parameter -> RandomModel.host(ops, parameter.gradient()))
                    .toArray(float[][]::new);
        }
    }

    private static NextTokenLoss.Role role(LoraWeights adapters) {
        return new NextTokenLoss.Role() {
            @Override
            public List<Parameter> parameters() {
                return adapters.parameters();
            }

            @Override
            public Pass training(long step, int firstRow) {
                Gates open = Gates.open(2);
                return new Pass(open, open, adapters.adapters(), WeightGradients.NONE)
                        .withDropout(new AdapterDropout(LORA.dropout(), 7, step, firstRow));
            }

            @Override
            public Pass evaluation() {
                return Pass.frozen(Gates.open(2), adapters.frozenAdapters());
            }
        };
    }

    @Test
    void theCutIntoMicroBatchesChangesGradientsByRoundingOnly() {
        float[][] whole = gradients(4, 1);
        for (int microBatch : new int[] {1, 2}) {
            float[][] cut = gradients(microBatch, 1);
            for (int i = 0; i < whole.length; i++) {
                assertTrue(relativeError(cut[i], whole[i]) < 2e-6, "parameter " + i + ", cut " + microBatch);
            }
        }
    }

    @Test
    void theNumberOfRanksChangesNoBit() {
        float[][] one = gradients(1, 1);
        for (int ranks : new int[] {2, 4}) {
            assertArrayEquals(one, gradients(1, ranks), ranks + " ranks");
        }
    }

    @Test
    void keptAndComputedActivationsGiveTheSameBits() throws IOException {
        LoraTraining.Request kept = request(6, 2).training();
        long least = StepPlan.smallest(LoraTraining.workload(SHAPE, base.checkpoint().bytes(), kept))
                .total();
        LoraTraining.Request computed = new LoraTraining.Request(
                kept.initial(), kept.settings(), kept.learningRate(), kept.optimiser(), kept.training(),
                kept.validation(), least);
        LoraTraining.Trained first =
                LoraTraining.run(base, kept, RunRecord.NONE, TrainingWatch.NONE);
        LoraTraining.Trained second =
                LoraTraining.run(base, computed, RunRecord.NONE, TrainingWatch.NONE);
        for (int i = 0; i < first.best().factors().size(); i++) {
            assertArrayEquals(first.best().factors().get(i).b(), second.best().factors().get(i).b());
        }
        LoraTraining.Request tooLittle = new LoraTraining.Request(
                kept.initial(), kept.settings(), kept.learningRate(), kept.optimiser(), kept.training(),
                kept.validation(), least - 1);
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> LoraTraining.run(
                                base, tooLittle, RunRecord.NONE, TrainingWatch.NONE))
                .getMessage();
        assertTrue(message.startsWith("not enough memory: the run needs"), message);
    }

    @Test
    void theResultIsMergedAndPublished() throws IOException {
        Path out = folder.resolve("out");
        ObjectNode result =
                finetune(request(9, 2), out, RunFolder.Opening.NEW, TrainingWatch.NONE).orElseThrow();
        assertEquals(9, result.get("steps").longValue());
        assertTrue(result.get("validation_loss").doubleValue() < result.get("initial_validation_loss").doubleValue());
        assertTrue(result.get("merge_difference").doubleValue() < 1e-5);
        assertEquals(FileHash.of(out.resolve("model.safetensors")), result.get("sha256").textValue());
        assertNotEquals(
                FileHash.of(folder.resolve("base/model.safetensors")), result.get("sha256").textValue());
        LoraState written = PeftAdapter.read(out.resolve("adapter"), SHAPE).state();
        Batch batch = Batch.of(RandomModel.ids(SHAPE, 2, 9, 77));
        try (ModelFolder merged = ModelFolder.open(out, ops);
                LoraWeights adapters = LoraWeights.frozen(written, ops)) {
            float[] unmerged =
                    RandomModel.logits(base.model(), batch, Pass.frozen(Gates.open(2), adapters.adapters()));
            assertTrue(relativeError(RandomModel.logits(merged.model(), batch), unmerged) < 1e-5);
        }
        FileAlreadyExistsException refused = assertThrows(
                FileAlreadyExistsException.class,
                () -> finetune(request(9, 2), out, RunFolder.Opening.NEW, TrainingWatch.NONE));
        assertTrue(refused.getMessage().contains("exists already"), refused.getMessage());
        // Asked to go on, a finished run has nothing to do.
        assertEquals(
                result.get("sha256"),
                finetune(request(9, 2), out, RunFolder.Opening.RESUME, TrainingWatch.NONE)
                        .orElseThrow()
                        .get("sha256"));
    }

    @Test
    void withoutMergeOnlyTheAdapterIsWritten() throws IOException {
        Path out = folder.resolve("out");
        Finetuning.Request merged = request(4, 4);
        ObjectNode result = finetune(
                        new Finetuning.Request("base", merged.training(), false, 1 << 30, "test"),
                        out,
                        RunFolder.Opening.NEW,
                        TrainingWatch.NONE)
                .orElseThrow();
        assertFalse(Files.exists(out.resolve("config.json")));
        assertEquals(
                FileHash.of(out.resolve("adapter/adapter_model.safetensors")), result.get("sha256").textValue());
    }

    @Test
    void askedForTheAdapterAloneAMergedResultStays() throws IOException {
        Path out = folder.resolve("out");
        Finetuning.Request merged = request(4, 4);
        ObjectNode first = finetune(merged, out, RunFolder.Opening.NEW, TrainingWatch.NONE).orElseThrow();
        Finetuning.Request adapterOnly =
                new Finetuning.Request("base", merged.training(), false, 1 << 30, "test");
        ObjectNode again =
                finetune(adapterOnly, out, RunFolder.Opening.RESUME, TrainingWatch.NONE).orElseThrow();
        assertEquals(first.toString(), again.toString());
        assertEquals(first.get("sha256").textValue(), FileHash.of(out.resolve("model.safetensors")));
        // And the other way round the model is added.
        Path later = folder.resolve("later");
        finetune(adapterOnly, later, RunFolder.Opening.NEW, TrainingWatch.NONE);
        ObjectNode added = finetune(merged, later, RunFolder.Opening.RESUME, TrainingWatch.NONE).orElseThrow();
        assertEquals(first.get("sha256"), added.get("sha256"));
    }

    @Test
    void aStoppedRunEndsAtTheSameBytes() throws IOException {
        String expected = finetune(request(7, 2), folder.resolve("whole"), RunFolder.Opening.NEW, TrainingWatch.NONE)
                .orElseThrow()
                .get("sha256")
                .textValue();
        Path out = folder.resolve("stopped");
        Optional<ObjectNode> result = Optional.empty();
        int stops = 0;
        while (result.isEmpty()) {
            // Long enough for a step of two parts and a validation.
            result = finetune(request(7, 2), out, RunFolder.Opening.RESUME, new TrainingWatch() {
                private int asked;

                @Override
                public boolean isStopRequested() {
                    return asked++ >= 7;
                }
            });
            stops++;
        }
        assertTrue(stops > 3, "the run was stopped only " + stops + " times");
        assertEquals(expected, result.get().get("sha256").textValue());
    }

    @Test
    void otherSettingsAreListed() throws IOException {
        Path out = folder.resolve("out");
        finetune(request(7, 2), out, RunFolder.Opening.NEW, new TrainingWatch() {
            @Override
            public boolean isStopRequested() {
                return true;
            }
        });
        String message = assertThrows(
                        IllegalArgumentException.class,
                        () -> finetune(request(8, 4), out, RunFolder.Opening.RESUME, TrainingWatch.NONE))
                .getMessage();
        assertTrue(message.contains("training.steps is 8, was 7; training.micro_batch is 4, was 2"), message);
        assertTrue(finetune(request(8, 4), out, RunFolder.Opening.RESUME_WITH_CHANGES, TrainingWatch.NONE)
                .isPresent());
        assertEquals(1, Files.readAllLines(out.resolve("run/changes.jsonl")).size());
    }

    @Test
    void dataThatDoNotFitTheModelAreRefused() {
        assertRefused("the longest sequence has 65 tokens, the model's context is 64", new int[65]);
        int vocab = base.model().shape().vocab();
        String unknown = "token id %d of the data is not in the model's vocabulary of " + vocab;
        assertRefused(unknown.formatted(vocab), 0, vocab - 1, vocab);
        assertRefused(unknown.formatted(-1), 0, -1);
    }

    private void assertRefused(String message, int... ids) {
        Finetuning.Request request = request(2, 2);
        LoraTraining.Request training = request.training();
        LoraTraining.Request refused = new LoraTraining.Request(
                training.initial(), training.settings(), training.learningRate(), training.optimiser(),
                new Examples(List.of(new Example(ids, 1))), training.validation(), training.memory());
        assertEquals(
                message,
                assertThrows(
                                IllegalArgumentException.class,
                                () -> LoraTraining.check(base.model().shape(), base.checkpoint().bytes(), refused))
                        .getMessage());
        assertEquals(
                message,
                assertThrows(
                                IllegalArgumentException.class,
                                () -> LoraTraining.run(base, refused, RunRecord.NONE, TrainingWatch.NONE))
                        .getMessage());
    }
}
