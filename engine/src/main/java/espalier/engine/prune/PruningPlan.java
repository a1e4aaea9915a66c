package espalier.engine.prune;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Space;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Check;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/// What is kept of a model. All indices are those of the source, ascending and without repeats.
///
/// Query heads may leave one by one: a key/value head stays exactly as long as one of its query heads does, so groups
/// may become unequal, and a layer may lose all heads or all FFN channels.
///
/// @param source the model before
/// @param keptLayers 0-based layers that stay, at least one
/// @param layers for each source layer what stays inside; of a layer that does not stay, no matter
/// @param keptHidden residual channels that stay, at least one
/// @param factors what kept units are multiplied by
/// @param normRule what happens to norms when residual channels leave
public record PruningPlan(
        ModelShape source,
        int[] keptLayers,
        List<Kept> layers,
        int[] keptHidden,
        MaskValues factors,
        NormRule normRule) {
    /// What is kept inside a layer.
    ///
    /// @param heads query heads
    /// @param ffn FFN channels
    public record Kept(int[] heads, int[] ffn) {
        /// Copies the arrays.
        public Kept {
            heads = heads.clone();
            ffn = ffn.clone();
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Kept kept && Arrays.equals(heads, kept.heads) && Arrays.equals(ffn, kept.ffn);
        }

        @Override
        public int hashCode() {
            return 31 * Arrays.hashCode(heads) + Arrays.hashCode(ffn);
        }
    }

    /// Checks every index and factor, and copies.
    public PruningPlan {
        keptLayers = keptLayers.clone();
        keptHidden = keptHidden.clone();
        layers = List.copyOf(layers);
        if (layers.size() != source.layers().size()) {
            throw new IllegalArgumentException(
                    "plan has %d layers, its source %d".formatted(layers.size(), source.layers().size()));
        }
        checkIndices("layers", keptLayers, source.layers().size(), 1);
        checkIndices("hidden channels", keptHidden, source.hidden(), 1);
        for (int layer = 0; layer < layers.size(); layer++) {
            LayerShape shape = source.layers().get(layer);
            checkIndices("query heads of layer " + layer, layers.get(layer).heads(), shape.heads(), 0);
            checkIndices("FFN channels of layer " + layer, layers.get(layer).ffn(), shape.ffn(), 0);
        }
        factors.check(source);
    }

    /// @param source a model
    /// @return the plan that keeps all of it
    public static PruningPlan keepAll(ModelShape source) {
        return new PruningPlan(
                source,
                all(source.layers().size()),
                source.layers().stream()
                        .map(layer -> new Kept(all(layer.heads()), all(layer.ffn())))
                        .toList(),
                all(source.hidden()),
                MaskValues.NONE,
                NormRule.RELEASED);
    }

    /// LLM-Pruner's baseline: the first layers stay, whole.
    ///
    /// @param source a model
    /// @param count how many layers, from 1 to all
    /// @return the plan
    public static PruningPlan keepFirstLayers(ModelShape source, int count) {
        Check.positive("kept layers", count);
        return keepAll(source).withLayers(all(count));
    }

    /// @param newKeptLayers layers that stay
    /// @return this plan with those layers
    public PruningPlan withLayers(int[] newKeptLayers) {
        return new PruningPlan(source, newKeptLayers, layers, keptHidden, factors, normRule);
    }

    /// @param layer 0-based source layer
    /// @param kept what stays inside
    /// @return this plan with another inside of one layer
    public PruningPlan withLayer(int layer, Kept kept) {
        List<Kept> newLayers = new ArrayList<>(layers);
        newLayers.set(layer, kept);
        return new PruningPlan(source, keptLayers, newLayers, keptHidden, factors, normRule);
    }

    /// @param newKeptHidden residual channels that stay
    /// @param newNormRule what happens to norms
    /// @return this plan with those channels
    public PruningPlan withHidden(int[] newKeptHidden, NormRule newNormRule) {
        return new PruningPlan(source, keptLayers, layers, newKeptHidden, factors, newNormRule);
    }

    /// @param newFactors what kept units are multiplied by
    /// @return this plan with those factors
    public PruningPlan withFactors(MaskValues newFactors) {
        return new PruningPlan(source, keptLayers, layers, keptHidden, newFactors, normRule);
    }

    /// @param layer 0-based source layer
    /// @return key/value heads that stay: those of which a query head stays
    public int[] keptKvHeads(int layer) {
        int[] kvOfQuery = source.layers().get(layer).headMap().kvOfQuery();
        return Arrays.stream(layers.get(layer).heads())
                .map(head -> kvOfQuery[head])
                .distinct()
                .toArray();
    }

    /// @param space channels of the source
    /// @return those that stay, ascending; what surgery slices every axis with
    public int[] kept(Space space) {
        int layer = space.layer();
        return switch (space.kind()) {
            case HIDDEN -> keptHidden.clone();
            case QUERY -> channels(layers.get(layer).heads(), source.layers().get(layer).headDim());
            case KV -> channels(keptKvHeads(layer), source.layers().get(layer).headDim());
            case FFN -> layers.get(layer).ffn().clone();
            case VOCAB, HEAD -> all(space.width(source));
        };
    }

    /// @return the model after
    public ModelShape resultShape() {
        List<LayerShape> shapes = new ArrayList<>();
        for (int layer : keptLayers) {
            LayerShape shape = source.layers().get(layer);
            int[] kvOfQuery = shape.headMap().kvOfQuery();
            int[] queries = new int[shape.kvHeads()];
            for (int head : layers.get(layer).heads()) {
                queries[kvOfQuery[head]]++;
            }
            shapes.add(new LayerShape(
                    Arrays.stream(queries).filter(count -> count > 0).toArray(),
                    shape.headDim(),
                    layers.get(layer).ffn().length));
        }
        return new ModelShape(
                source.vocab(),
                keptHidden.length,
                shapes,
                source.tied(),
                source.biases(),
                normRule.eps(source.normEps(), source.hidden(), keptHidden.length),
                source.ropeTheta(),
                source.maxPositions());
    }

    /// @return whether all layers of the result have the same widths, equal query groups, heads and FFN channels:
    ///     what an ordinary configuration with one number for each width can say
    public boolean isUniform() {
        List<LayerShape> shapes = resultShape().layers();
        LayerShape first = shapes.getFirst();
        return shapes.stream().allMatch(first::equals)
                && first.hasEqualGroups()
                && first.heads() > 0
                && first.ffn() > 0;
    }

    /// Two prunings in a row as one, for iterative pruning.
    ///
    /// @param next a plan whose source is the result of this one
    /// @return the plan from this source to that result
    /// @throws IllegalArgumentException if the plans do not fit, or have factors or different norm rules
    public PruningPlan then(PruningPlan next) {
        if (!next.source.equals(resultShape())) {
            throw new IllegalArgumentException("the second plan does not start from the result of the first");
        }
        if (!factors.isNone() || !next.factors.isNone() || normRule != next.normRule) {
            throw new IllegalArgumentException("plans with factors or different norm rules cannot be joined");
        }
        List<Kept> joined = new ArrayList<>(layers);
        for (int i = 0; i < keptLayers.length; i++) {
            Kept mine = layers.get(keptLayers[i]);
            Kept theirs = next.layers.get(i);
            joined.set(keptLayers[i], new Kept(pick(mine.heads(), theirs.heads()), pick(mine.ffn(), theirs.ffn())));
        }
        return new PruningPlan(
                source,
                pick(keptLayers, next.keptLayers),
                joined,
                pick(keptHidden, next.keptHidden),
                MaskValues.NONE,
                normRule);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PruningPlan plan
                && source.equals(plan.source)
                && Arrays.equals(keptLayers, plan.keptLayers)
                && layers.equals(plan.layers)
                && Arrays.equals(keptHidden, plan.keptHidden)
                && factors.equals(plan.factors)
                && normRule == plan.normRule;
    }

    @Override
    public int hashCode() {
        return Objects.hash(
                source, Arrays.hashCode(keptLayers), layers, Arrays.hashCode(keptHidden), factors, normRule);
    }

    private static int[] pick(int[] from, int[] indices) {
        return Arrays.stream(indices).map(index -> from[index]).toArray();
    }

    private static int[] all(int count) {
        return IntStream.range(0, count).toArray();
    }

    private static int[] channels(int[] heads, int headDim) {
        return Arrays.stream(heads)
                .flatMap(head -> IntStream.range(head * headDim, (head + 1) * headDim))
                .toArray();
    }

    private static void checkIndices(String name, int[] kept, int count, int atLeast) {
        int previous = -1;
        for (int index : kept) {
            if (index <= previous || index >= count) {
                throw new IllegalArgumentException("kept %s must ascend within 0..%d, found %d after %d"
                        .formatted(name, count - 1, index, previous));
            }
            previous = index;
        }
        if (kept.length < atLeast) {
            throw new IllegalArgumentException("no " + name + " are kept");
        }
    }
}
