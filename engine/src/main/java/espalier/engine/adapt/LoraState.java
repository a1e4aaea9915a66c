package espalier.engine.adapt;

import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// All adapters of a model at one moment, apart from any backend: what files hold, pruning cuts, and merging adds.
///
/// @param shape the model that they belong to
/// @param settings their sizes
/// @param factors one for each of [LoraSettings#modules], in that order
public record LoraState(ModelShape shape, LoraSettings settings, List<LoraFactors> factors) {
    /// Checks that the values are those that the settings call for.
    public LoraState {
        factors = List.copyOf(factors);
        List<LoraModule> expected = settings.modules(shape);
        List<LoraModule> actual = factors.stream().map(LoraFactors::module).toList();
        if (!actual.equals(expected)) {
            throw new IllegalArgumentException(
                    "the adapters are of %s, expected %s".formatted(actual, expected));
        }
    }

    /// @param shape the model
    /// @param settings sizes
    /// @param seed decides A; B is zero
    /// @return adapters before training, which change nothing
    public static LoraState initial(ModelShape shape, LoraSettings settings, long seed) {
        List<LoraFactors> factors = settings.modules(shape).stream()
                .map(module -> LoraFactors.initial(module, seed))
                .toList();
        return new LoraState(shape, settings, factors);
    }

    /// @param values by [LoraModule#nameA] and [LoraModule#nameB], not copied
    /// @return adapters of the same sizes with these values
    public LoraState with(Map<String, float[]> values) {
        List<LoraFactors> other = factors.stream()
                .map(LoraFactors::module)
                .map(module -> new LoraFactors(module, values.get(module.nameA()), values.get(module.nameB())))
                .toList();
        return new LoraState(shape, settings, other);
    }

    /// @param more projections that shall have adapters too
    /// @param seed decides A of new adapters; their B is zero
    /// @return these adapters, and new ones of the same settings where there are none, which change nothing
    public LoraState withTargets(Set<Site> more, long seed) {
        Set<Site> all = EnumSet.copyOf(settings.targets());
        all.addAll(more);
        LoraSettings wider = settings.withTargets(all);
        Map<LoraModule, LoraFactors> present = new HashMap<>();
        factors.forEach(factor -> present.put(factor.module(), factor));
        List<LoraFactors> wanted = wider.modules(shape).stream()
                .map((LoraModule module) ->
                        present.containsKey(module) ? present.get(module) : LoraFactors.initial(module, seed))
                .toList();
        return new LoraState(shape, wider, wanted);
    }

    /// @return number of values in all factors
    public long parameters() {
        return factors.stream().mapToLong(factor -> factor.module().parameters()).sum();
    }
}
