package espalier.engine.prune;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.MaskValues;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Pass;
import espalier.engine.testing.Compare;
import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// A cut model with cut adapters equals the masked model with whole ones.
class LoraCutTest {
    private static final ModelShape SHAPE = new ModelShape(
            40, 14, Collections.nCopies(3, LayerShape.uniform(4, 2, 4, 11)), false, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);

    private static void check(PruningPlan plan) {
        LoraSettings settings = LoraSettings.of(3, 6, 0, LoraSettings.ALL_LINEAR)
                .withModules(Map.of("model.layers.2.mlp.up_proj", 2), Map.of("model.layers.2.mlp.down_proj", 5.0));
        LoraState state = LoraState.initial(SHAPE, settings, 3);
        for (LoraFactors factors : state.factors()) {
            for (int i = 0; i < factors.b().length; i++) {
                factors.b()[i] = 0.2f * (float) Math.cos(i * 1.7 + factors.module().layer());
            }
        }
        LoraState cut = LoraCut.cut(Architecture.LLAMA, plan, state);
        Batch batch = Batch.of(RandomModel.ids(SHAPE, 2, 7, 1));
        int layers = plan.keptLayers().length;
        try (Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
                RandomModel random = new RandomModel(SHAPE, 7);
                Arena arena = Arena.ofShared();
                Workspace masks = ops.newWorkspace();
                LoraWeights whole = LoraWeights.frozen(state, ops);
                LoraWeights small = LoraWeights.frozen(cut, ops);
                Model source = Model.load(random, SHAPE, ops);
                Model smaller = Model.load(new PrunedWeights(Surgery.of(Architecture.LLAMA, plan), random, arena),
                        plan.resultShape(), ops)) {
            Gates gates = MaskedModel.pass(plan, ops, masks).gates();
            float[] masked = RandomModel.logits(source, batch, Pass.frozen(gates, whole.adapters()));
            float[] actual =
                    RandomModel.logits(smaller, batch, Pass.frozen(Gates.open(layers), small.adapters()));
            Compare.assertClose("logits", masked, actual, 1e-5);
        }
    }

    @Test
    void headsAndChannelsOfLayersWithOtherNumbers() {
        check(PruningPlan.keepAll(SHAPE)
                .withLayer(0, new PruningPlan.Kept(new int[] {1, 2, 3}, new int[] {0, 3, 4, 8}))
                .withLayer(2, new PruningPlan.Kept(new int[] {2}, new int[0]))
                .withLayers(new int[] {0, 2}));
    }

    @Test
    void hiddenChannelsAndFactors() {
        float[] ffn = {1, 0.5f, 0.25f, 0.8f, 1, 1, 0.9f, 0.1f, 0.3f, 0.7f, 0.6f};
        float[] heads = {0.5f, 1, 0.7f, 0.2f};
        float[] hidden = new float[14];
        for (int i = 0; i < 14; i++) {
            hidden[i] = 0.3f + 0.05f * i;
        }
        check(PruningPlan.keepAll(SHAPE)
                .withHidden(new int[] {1, 2, 3, 7, 8, 11}, NormRule.EXACT)
                .withFactors(new MaskValues(
                        Collections.nCopies(3, heads), List.of(ffn, ffn.clone(), ffn.clone()), hidden)));
    }
}
