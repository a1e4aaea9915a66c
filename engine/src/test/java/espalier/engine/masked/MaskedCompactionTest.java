package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraMerge;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateBlock;
import espalier.engine.gates.GateFamily;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.GateSparsity;
import espalier.engine.gates.HardConcrete;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Adapters;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.ModelShape.Biases;
import espalier.engine.model.ModelSize;
import espalier.engine.model.Pass;
import espalier.engine.model.Shapes;
import espalier.engine.prune.Compaction;
import espalier.engine.prune.LoraCut;
import espalier.engine.prune.MaskedPlan;
import espalier.engine.prune.NormRule;
import espalier.engine.prune.PruningPlan;
import espalier.engine.testing.Compare;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The masked model, the one with the mask merged in, and the written smaller one say the same: l0-masks.md, check 10;
/// compresso.md, checks 7, 8 and 10; nuteprune.md, check 11.
class MaskedCompactionTest {
    private static final Biases QKV = new Biases(true, false, false);
    private static final Biases ALL = new Biases(true, true, true);
    /// What a correction that is left out makes at least.
    private static final double WRONG = 1e-2;

    @TempDir
    Path folder;

    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);

    /// A model and its mask. Layer 1 loses all heads, layer 2 all channels.
    private record Case(ModelShape shape, HeadUnit unit, StoredType type) {
        GateLayout layout() {
            LayerRange all = new LayerRange(0, shape.layers().size());
            return new GateLayout(shape, new GateSettings(true, true, true, unit, Enabling.NONE, all));
        }

        GateMask mask() {
            GateLayout layout = layout();
            Philox random = new Philox(5, 1);
            double[] logAlpha =
                    IntStream.range(0, layout.size()).mapToDouble(i -> 8 * random.uniform(i) - 3.5).toArray();
            close(layout.block(GateFamily.HEADS, 1).orElseThrow(), logAlpha);
            close(layout.block(GateFamily.FFN, 2).orElseThrow(), logAlpha);
            return DeterministicMask.of(layout, logAlpha, WidthRule.FREE);
        }

        private static void close(GateBlock block, double[] logAlpha) {
            Arrays.fill(logAlpha, block.offset(), block.end(), HardConcrete.MIN_LOG_ALPHA);
        }

        @Override
        public String toString() {
            return "%s, %s, %s, %s".formatted(
                    unit, type, shape.tied() ? "tied" : "untied", shape.layers().getFirst().headMap());
        }
    }

    private static ModelShape shape(boolean tied, Biases biases, LayerShape first) {
        LayerShape inner = new LayerShape(first.queriesPerKv(), first.headDim(), 9);
        return Shapes.toy(20, tied, biases, first, inner, inner, first);
    }

    static List<Case> cases() {
        LayerShape grouped = LayerShape.uniform(6, 3, 4, 13);
        LayerShape plain = LayerShape.uniform(5, 5, 4, 16);
        LayerShape unequal = new LayerShape(new int[] {3, 1, 2}, 4, 11);
        return Stream.of(shape(true, Biases.NONE, grouped), shape(false, QKV, grouped), shape(false, ALL, plain),
                        shape(true, QKV, plain), shape(false, Biases.NONE, unequal), shape(true, ALL, unequal))
                .flatMap(shape -> Stream.of(HeadUnit.values())
                        .flatMap(unit -> Stream.of(StoredType.F32, StoredType.BF16)
                                .map(type -> new Case(shape, unit, type))))
                .toList();
    }

    static List<Case> untied() {
        return cases().stream().filter(one -> !one.shape().tied()).toList();
    }

    @AfterEach
    void close() {
        ops.close();
    }

    private Path source(Case one) throws IOException {
        try (RandomModel random = new RandomModel(one.shape(), 7)) {
            return random.write(folder.resolve("source"), one.type());
        }
    }

    private static MaskedPlan plan(Case one) {
        GateMask mask = one.mask();
        return MaskedPlan.of(Architecture.LLAMA, mask, mask, 0.5, 0.5);
    }

    private static Batch batch(ModelShape shape) {
        return Batch.of(RandomModel.ids(shape, 2, 7, 1));
    }

    /// @return logits of a model under a mask, by what training multiplies with
    private float[] masked(Path source, MaskValues values, Optional<LoraState> adapters) throws IOException {
        try (ModelFolder open = ModelFolder.open(source, ops); Workspace memory = ops.newWorkspace()) {
            Gates gates = UploadedMasks.upload(values, open.model().shape(), ops, memory);
            return logits(open, gates, adapters);
        }
    }

    private float[] plain(Path source, Optional<LoraState> adapters) throws IOException {
        try (ModelFolder open = ModelFolder.open(source, ops)) {
            return logits(open, Gates.open(open.model().shape().layers().size()), adapters);
        }
    }

    private float[] logits(ModelFolder open, Gates gates, Optional<LoraState> adapters) {
        Batch batch = batch(open.model().shape());
        if (adapters.isEmpty()) {
            return RandomModel.logits(open.model(), batch, Pass.frozen(gates, Adapters.NONE));
        }
        try (LoraWeights weights = LoraWeights.frozen(adapters.get(), ops)) {
            return RandomModel.logits(open.model(), batch, Pass.frozen(gates, weights.adapters()));
        }
    }

    private Path compacted(Path source, PruningPlan plan, String name) throws IOException {
        return compacted(source, plan, name, Optional.of(DType.F32));
    }

    private Path compacted(Path source, PruningPlan plan, String name, Optional<DType> dtype) throws IOException {
        Path out = folder.resolve(name);
        try (ModelFolder open = ModelFolder.open(source, ops)) {
            Compaction.write(open, plan, new Compaction.Request(
                    out, dtype, CheckpointWriter.Options.DEFAULT, Optional.empty(), Map.of(),
                    RandomModel.ids(plan.source(), 2, 6, 3)));
        }
        return out;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void maskedEqualsSliced(Case one) throws IOException {
        Path source = source(one);
        PruningPlan plan = plan(one).plan();
        float[] masked = masked(source, one.mask().values(), Optional.empty());
        Path sliced = compacted(source, plan, "sliced");
        Compare.assertClose("sliced", masked, plain(sliced, Optional.empty()), Compare.VALUES);
        // Rounding to BF16 is all that is between.
        if (one.type() == StoredType.BF16) {
            Path rounded = compacted(source, plan, "rounded", Optional.empty());
            double error = Compare.relativeError(plain(rounded, Optional.empty()), masked);
            assertTrue(error > Compare.VALUES && error < 0.1, "rounding " + error);
        }
    }

    /// Zeros may be merged without removing anything, except in a tied model, whose final norm cannot undo them.
    @ParameterizedTest
    @MethodSource("untied")
    void maskedEqualsMerged(Case one) throws IOException {
        Path source = source(one);
        MaskValues values = one.mask().values();
        Path merged = compacted(source, PruningPlan.keepAll(one.shape()).withFactors(values), "merged");
        Compare.assertClose(
                "merged", masked(source, values, Optional.empty()), plain(merged, Optional.empty()), Compare.VALUES);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void withoutTheNormCorrectionItIsWrong(Case one) throws IOException {
        Path source = source(one);
        PruningPlan plan = plan(one).plan();
        float[] masked = masked(source, one.mask().values(), Optional.empty());
        Path sliced =
                compacted(source, plan.withHidden(plan.keptHidden(), NormRule.RELEASED), "sliced");
        double error = Compare.relativeError(plain(sliced, Optional.empty()), masked);
        assertTrue(error > WRONG, "error " + error);
    }

    /// The embedding is divided by the mask before the mask is folded into it.
    @ParameterizedTest
    @MethodSource("untied")
    void withoutTheEmbeddingFoldItIsWrong(Case one) throws IOException {
        Path source = source(one);
        MaskValues values = one.mask().values();
        float[] masked = masked(source, values, Optional.empty());
        Path unfolded = folder.resolve("unfolded");
        try (RandomModel random = new RandomModel(one.shape(), 7)) {
            float[] embedding = random.values().get("model.embed_tokens.weight");
            for (int i = 0; i < embedding.length; i++) {
                float value = values.hidden(i % one.shape().hidden());
                embedding[i] /= value == 0 ? 1 : value;
            }
            random.write(unfolded, StoredType.F32);
        }
        Path sliced = compacted(unfolded, plan(one).plan(), "sliced");
        double error = Compare.relativeError(plain(sliced, Optional.empty()), masked);
        assertTrue(error > WRONG, "error " + error);
    }

    /// Adapters that were trained under the mask: cut with the smaller model, and merged into it.
    @ParameterizedTest
    @MethodSource("cases")
    void adaptersOfTheMaskedModelAreCutAndMerged(Case one) throws IOException {
        Path source = source(one);
        LoraState state = adapters(one.shape());
        MaskedPlan plan = plan(one);
        float[] masked = masked(source, one.mask().values(), Optional.of(state));
        assertTrue(Compare.relativeError(masked(source, one.mask().values(), Optional.empty()), masked) > WRONG,
                "the adapters matter");
        Path base = compacted(source, plan.plan(), "base");
        LoraState cut = LoraCut.cut(Architecture.LLAMA, plan.plan(), state);
        Compare.assertClose("cut adapters", masked, plain(base, Optional.of(cut)), Compare.VALUES);
        Path merged = folder.resolve("merged");
        try (ModelFolder open = ModelFolder.open(base, ops)) {
            LoraMerge.write(open, cut, new LoraMerge.Request(
                    merged, CheckpointWriter.Options.DEFAULT, List.of(), RandomModel.ids(one.shape(), 2, 6, 3)));
        }
        Compare.assertClose("merged adapters", masked, plain(merged, Optional.empty()), Compare.VALUES);
        // Merged into the whole model before it is cut.
        Path whole = folder.resolve("whole");
        if (one.type() == StoredType.F32) {
            try (ModelFolder open = ModelFolder.open(source, ops)) {
                LoraMerge.write(open, state, new LoraMerge.Request(
                        whole, CheckpointWriter.Options.DEFAULT, List.of(), RandomModel.ids(one.shape(), 2, 6, 3)));
            }
            Path sliced = compacted(whole, plan.plan(), "sliced");
            Compare.assertClose("cut after merging", masked, plain(sliced, Optional.empty()), Compare.VALUES);
        }
    }

    /// Adapters of all projections, trained and merged, bring nothing back that a mask closed.
    @ParameterizedTest
    @MethodSource("untied")
    void adaptersLeaveTheZeros(Case one) throws IOException {
        MaskValues values = one.mask().values();
        PruningPlan plan = PruningPlan.keepAll(one.shape()).withFactors(values);
        Path zeros = compacted(source(one), plan, "zeros");
        Path merged = folder.resolve("merged");
        try (ModelFolder open = ModelFolder.open(zeros, ops)) {
            LoraState cut = LoraCut.cut(Architecture.LLAMA, plan, adapters(one.shape()));
            LoraMerge.write(open, cut, new LoraMerge.Request(
                    merged, CheckpointWriter.Options.DEFAULT, List.of(), RandomModel.ids(one.shape(), 2, 6, 3)));
        }
        try (Checkpoint before = Checkpoint.open(zeros); Checkpoint after = Checkpoint.open(merged)) {
            int changed = 0;
            for (String name : before.tensorNames()) {
                StoredTensor was = before.get(name);
                StoredTensor is = after.get(name);
                for (long i = 0; i < was.elements(); i++) {
                    assertEquals(was.get(i) == 0, is.get(i) == 0, name + ", element " + i);
                    changed += was.get(i) == is.get(i) ? 0 : 1;
                }
            }
            assertTrue(changed > 1000, changed + " elements changed");
        }
    }

    private static LoraState adapters(ModelShape shape) {
        LoraState state = LoraState.initial(shape, LoraSettings.of(3, 6, 0, LoraSettings.ALL_LINEAR), 3);
        Philox random = new Philox(11, 0);
        for (LoraFactors factors : state.factors()) {
            for (int i = 0; i < factors.b().length; i++) {
                factors.b()[i] = 0.2f * (float) random.gaussian(i + 1000L * factors.module().layer());
            }
        }
        return state;
    }

    /// The written model has the widths of the mask's zeros, and removes what the gates count.
    @ParameterizedTest
    @MethodSource("cases")
    void theWrittenModelIsTheMasksSize(Case one) throws IOException {
        MaskedPlan plan = plan(one);
        GateMask mask = one.mask();
        Path sliced = compacted(source(one), plan.plan(), "sliced");
        try (ModelFolder open = ModelFolder.open(sliced, ops)) {
            ModelShape shape = open.model().shape();
            assertEquals(open(mask.values().hidden()), shape.hidden());
            for (int layer = 0; layer < 4; layer++) {
                assertEquals(open(mask.values().heads().get(layer)), shape.layers().get(layer).heads());
                assertEquals(open(mask.values().ffn().get(layer)), shape.layers().get(layer).ffn());
            }
            assertEquals(0, shape.layers().get(1).heads());
            assertEquals(0, shape.layers().get(2).ffn());
            ModelSize size = ModelSize.of(Architecture.LLAMA, shape);
            assertEquals(size, plan.after());
            if (one.unit() == HeadUnit.GROUP) {
                GateSparsity sparsity = new GateSparsity(one.layout());
                assertEquals(size.prunable(), sparsity.left(mask));
                assertEquals(sparsity.realised(mask), plan.before().prunableRemoved(size), 1e-15);
            }
        }
    }

    private static int open(float[] values) {
        int open = 0;
        for (float value : values) {
            open += value > 0 ? 1 : 0;
        }
        return open;
    }
}
