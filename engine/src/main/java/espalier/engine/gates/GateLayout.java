package espalier.engine.gates;

import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// Where each gate of a model stands in the arrays over all its gates: layer by layer, and the hidden gates at the end.
public final class GateLayout {
    private final ModelShape model;
    private final GateSettings settings;
    private final List<GateBlock> blocks = new ArrayList<>();
    private final List<GatedHalf> halves = new ArrayList<>();
    private int size;

    /// @param model the model
    /// @param settings which gates it gets
    /// @throws IllegalArgumentException if the layer range reaches beyond the model
    public GateLayout(ModelShape model, GateSettings settings) {
        this.model = model;
        this.settings = settings;
        settings.layers().check("gated", model.layers().size());
        for (int layer = settings.layers().start(); layer < settings.layers().end(); layer++) {
            addLayer(layer);
        }
        if (settings.hidden()) {
            add(GateFamily.HIDDEN, 0, model.hidden());
        }
    }

    private void addLayer(int layer) {
        Optional<GateBlock> heads = optional(settings.heads(), GateFamily.HEADS, layer, headUnits(layer));
        Optional<GateBlock> ffn = optional(settings.ffn(), GateFamily.FFN, layer, model.layers().get(layer).ffn());
        switch (settings.enabling()) {
            case NONE -> addHalves(layer, heads, Optional.empty(), ffn, Optional.empty());
            case LAYER -> {
                Optional<GateBlock> both = Optional.of(add(GateFamily.LAYER, layer, 1));
                addHalves(layer, heads, both, ffn, both);
            }
            case ATTENTION_AND_MLP -> {
                GateBlock attention = add(GateFamily.ATTENTION, layer, 1);
                GateBlock mlp = add(GateFamily.MLP, layer, 1);
                addHalves(layer, heads, Optional.of(attention), ffn, Optional.of(mlp));
            }
        }
    }

    private void addHalves(
            int layer,
            Optional<GateBlock> heads,
            Optional<GateBlock> attention,
            Optional<GateBlock> ffn,
            Optional<GateBlock> mlp) {
        halves.add(new GatedHalf(GateFamily.HEADS, layer, heads, attention));
        halves.add(new GatedHalf(GateFamily.FFN, layer, ffn, mlp));
    }

    private Optional<GateBlock> optional(boolean wanted, GateFamily family, int layer, int units) {
        return wanted ? Optional.of(add(family, layer, units)) : Optional.empty();
    }

    private GateBlock add(GateFamily family, int layer, int units) {
        GateBlock block = new GateBlock(family, layer, size, units);
        blocks.add(block);
        size = Math.addExact(size, units);
        return block;
    }

    /// @return the model
    public ModelShape model() {
        return model;
    }

    /// @return which gates it has
    public GateSettings settings() {
        return settings;
    }

    /// @return number of gates
    public int size() {
        return size;
    }

    /// @return all blocks, in order
    public List<GateBlock> blocks() {
        return List.copyOf(blocks);
    }

    /// @param family what the gates multiply
    /// @param layer 0-based layer, 0 for hidden gates
    /// @return their block; absent if there are no such gates
    public Optional<GateBlock> block(GateFamily family, int layer) {
        return blocks.stream()
                .filter(block -> block.family() == family && block.layer() == layer)
                .findFirst();
    }

    /// @return attention and FFN of each layer that has gates
    List<GatedHalf> halves() {
        return List.copyOf(halves);
    }

    /// @param layer 0-based layer
    /// @return units of its attention that leave together: query heads or key/value groups
    private int headUnits(int layer) {
        LayerShape shape = model.layers().get(layer);
        return switch (settings.headUnit()) {
            case GROUP -> shape.kvHeads();
            case HEAD -> shape.heads();
        };
    }

    /// @param half of a layer
    /// @return `[heads]` or `[ffn]`, the unit that each query head or FFN channel belongs to
    int[] unitOf(GatedHalf half) {
        LayerShape shape = model.layers().get(half.layer());
        if (half.family() == GateFamily.FFN) {
            return IntStream.range(0, shape.ffn()).toArray();
        }
        if (settings.headUnit() == HeadUnit.HEAD) {
            return IntStream.range(0, shape.heads()).toArray();
        }
        int[] queries = shape.queriesPerKv();
        return IntStream.range(0, queries.length)
                .flatMap(group -> IntStream.generate(() -> group).limit(queries[group]))
                .toArray();
    }

    /// @param name what the values are, for the message
    /// @param values one per gate
    /// @throws IllegalArgumentException if there are not as many as gates, or naming the first that is not finite
    void check(String name, double[] values) {
        if (values.length != size) {
            throw new IllegalArgumentException("%d values of %s, expected %d".formatted(values.length, name, size));
        }
        for (GateBlock block : blocks) {
            for (int i = block.offset(); i < block.end(); i++) {
                if (!Double.isFinite(values[i])) {
                    throw new IllegalArgumentException("%s of %s, entry %d, is %s"
                            .formatted(name, block.name(), i - block.offset(), values[i]));
                }
            }
        }
    }

    /// @return an array over all gates filled with a value
    double[] filled(double value) {
        double[] values = new double[size];
        Arrays.fill(values, value);
        return values;
    }
}
