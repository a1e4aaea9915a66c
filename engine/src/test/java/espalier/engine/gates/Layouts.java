package espalier.engine.gates;

import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Philox;
import java.util.Arrays;
import java.util.stream.Stream;

/// Layouts that tests use.
final class Layouts {
    private Layouts() {}

    /// Gates of `docs/shapes/name` in all layers.
    static GateLayout documented(String name, boolean hidden, HeadUnit unit) {
        ModelShape model = Shapes.documented(name);
        LayerRange all = new LayerRange(0, model.layers().size());
        return new GateLayout(model, new GateSettings(true, true, hidden, unit, Enabling.NONE, all));
    }

    /// Equal layers with gates of key/value groups, FFN channels and hidden channels.
    static GateLayout standard(int layers, int heads, int kvHeads, int headDim, int ffn, int hidden) {
        LayerShape[] shapes = new LayerShape[layers];
        Arrays.fill(shapes, LayerShape.uniform(heads, kvHeads, headDim, ffn));
        return new GateLayout(Shapes.toy(hidden, true, shapes), GateSettings.standard(layers));
    }

    /// Only FFN channels, of equal cost, are prunable.
    static GateLayout channels(int count) {
        return channels(count, 1);
    }

    /// Only FFN channels, of equal cost, are prunable.
    static GateLayout channels(int count, int layers) {
        LayerShape[] shapes = new LayerShape[layers];
        Arrays.fill(shapes, new LayerShape(new int[0], 2, count));
        return new GateLayout(Shapes.toy(3, true, shapes), new GateSettings(
                false, true, false, HeadUnit.GROUP, Enabling.NONE, new LayerRange(0, layers)));
    }

    /// Unequal layers: groups of 3, 1 and 2 query heads; no heads; no FFN; and a range without the first and the last.
    static Stream<GateLayout> unequal() {
        ModelShape model = Shapes.toy(
                5,
                true,
                LayerShape.uniform(2, 1, 4, 6),
                new LayerShape(new int[] {3, 1, 2}, 4, 7),
                new LayerShape(new int[0], 4, 3),
                LayerShape.uniform(4, 4, 2, 0),
                LayerShape.uniform(4, 2, 2, 5));
        LayerRange inner = new LayerRange(1, 4);
        LayerRange all = new LayerRange(0, 5);
        return Stream.of(
                        new GateSettings(true, true, true, HeadUnit.GROUP, Enabling.NONE, all),
                        new GateSettings(true, true, true, HeadUnit.HEAD, Enabling.NONE, inner),
                        new GateSettings(true, true, false, HeadUnit.GROUP, Enabling.LAYER, all),
                        new GateSettings(true, true, true, HeadUnit.HEAD, Enabling.ATTENTION_AND_MLP, inner),
                        new GateSettings(true, false, false, HeadUnit.HEAD, Enabling.NONE, all),
                        new GateSettings(false, true, true, HeadUnit.GROUP, Enabling.NONE, inner),
                        new GateSettings(false, false, true, HeadUnit.HEAD, Enabling.NONE, all))
                .map(settings -> new GateLayout(model, settings));
    }

    /// Log-alphas all over their range.
    static double[] random(GateLayout layout, long seed) {
        Philox random = new Philox(seed, 3);
        double[] logAlpha = new double[layout.size()];
        Arrays.setAll(logAlpha, i -> 9 * random.uniform(i) - 4.5);
        return logAlpha;
    }
}
