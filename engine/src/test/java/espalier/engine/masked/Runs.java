package espalier.engine.masked;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.AdamW;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.RunState;
import espalier.engine.train.TrainingSettings;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Runs of a small random model.
final class Runs {
    static final ModelShape SHAPE = new ModelShape(
            40, 32, Collections.nCopies(3, LayerShape.uniform(4, 2, 8, 48)), true, ModelShape.Biases.NONE, 1e-5,
            10_000, 64);
    static final LoraSettings LORA = LoraSettings.of(4, 4, 0, Set.of(Site.Q_PROJ, Site.V_PROJ));

    private Runs() {}

    static Examples examples(int count, int length, long seed) {
        List<Example> list = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] ids = RandomModel.ids(SHAPE, 1, length, seed + i)[0];
            // Something to learn: the second half repeats the first.
            System.arraycopy(ids, 0, ids, length / 2, length / 2);
            list.add(new Example(ids, 0));
        }
        return new Examples(list);
    }

    static MaskTraining.Request nutePrune(double target, long steps, long warmup) {
        return request(MaskMethod.NutePrune.RELEASED, target, steps, warmup);
    }

    static MaskTraining.Request request(MaskMethod method, double target, long steps, long warmup) {
        return new MaskTraining.Request(
                method,
                GateSettings.standard(SHAPE.layers().size()),
                InitialGates.RELEASED,
                new SparsitySchedule(target, warmup, SparsitySchedule.Shape.LINEAR),
                GateTraining.Rates.RELEASED,
                Optional.of(LoraState.initial(SHAPE, LORA, 3)),
                new TrainingSettings(steps, 4, 2, 7, 1, 1000, 5),
                new LearningRate(1e-3, LearningRate.Shape.LINEAR, 0, steps),
                AdamW.Settings.DEFAULT,
                examples(24, 12, 100),
                new Examples(List.of()),
                Long.MAX_VALUE);
    }

    static MaskTraining.Request masksOnly(MaskTraining.Request request) {
        return with(request, Optional.empty(), request.initialGates());
    }

    static MaskTraining.Request with(
            MaskTraining.Request request, Optional<LoraState> adapters, InitialGates initial) {
        return new MaskTraining.Request(
                request.method(), request.gates(), initial, request.sparsity(), request.rates(), adapters,
                request.settings(), request.learningRate(), request.optimiser(), request.training(),
                request.validation(), request.memory());
    }

    static MaskTraining.Request with(MaskTraining.Request request, GateSettings gates) {
        return new MaskTraining.Request(
                request.method(), gates, request.initialGates(), request.sparsity(), request.rates(),
                request.adapters(), request.settings(), request.learningRate(), request.optimiser(),
                request.training(), request.validation(), request.memory());
    }

    static MaskTraining.Request withSeed(MaskTraining.Request request, long seed) {
        TrainingSettings settings = request.settings();
        return new MaskTraining.Request(
                request.method(), request.gates(), request.initialGates(), request.sparsity(), request.rates(),
                request.adapters(),
                new TrainingSettings(
                        settings.steps(), settings.batch(), settings.microBatch(), seed, settings.clip(),
                        settings.evalEvery(), settings.saveEvery()),
                request.learningRate(), request.optimiser(), request.training(), request.validation(),
                request.memory());
    }

    static void setLogAlpha(TrainedGates gates, float[] logAlpha) {
        Map<String, String> values = new HashMap<>();
        List<RunState.Values> tensors = new ArrayList<>();
        gates.addTo(values, tensors);
        System.arraycopy(logAlpha, 0, RunState.Values.byName(tensors).get("gates.log_alpha"), 0, logAlpha.length);
        gates.restore(new RunState(0, values, tensors));
    }
}
