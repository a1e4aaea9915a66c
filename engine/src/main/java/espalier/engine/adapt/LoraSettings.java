package espalier.engine.adapt;

import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.weights.CheckpointException;
import espalier.kernels.Check;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;

/// Which projections get a low-rank adapter, and how large it is (Hu et al. 2021, arXiv:2106.09685).
///
/// @param rank of every adapter that `ranks` does not name, positive
/// @param alpha of every adapter that `alphas` does not name, positive; the scale is `alpha / rank`
/// @param dropout probability with which an element of an adapter's input is zeroed in training, in [0, 65535/65536]
/// @param targets the projections, in every layer; not empty
/// @param rankStabilized whether the scale is `alpha / sqrt(rank)` instead (Kalajdzievski 2023, arXiv:2312.03732)
/// @param ranks exceptions by [Site#module], e.g. `model.layers.3.self_attn.q_proj`
/// @param alphas exceptions likewise
public record LoraSettings(
        int rank,
        double alpha,
        double dropout,
        Set<Site> targets,
        boolean rankStabilized,
        Map<String, Integer> ranks,
        Map<String, Double> alphas) {
    /// As close to 1 as dropout comes.
    public static final double MOST_DROPOUT = 65535 / 65536.0;

    /// Every projection of a layer.
    public static final Set<Site> ALL_LINEAR = Collections.unmodifiableSet(EnumSet.allOf(Site.class));

    /// LLM-Pruner's recovery (Ma et al. 2023, arXiv:2305.11627): rank 8, alpha 16, dropout 0.05, all projections.
    public static final LoraSettings LLM_PRUNER = of(8, 16, 0.05, ALL_LINEAR);

    /// Checks ranges and copies the collections.
    public LoraSettings {
        Check.positive("lora rank", rank);
        requirePositive("lora alpha", alpha);
        if (!(dropout >= 0 && dropout <= MOST_DROPOUT)) {
            throw new IllegalArgumentException(
                    "lora dropout is " + dropout + ", expected a number from 0 to 65535/65536");
        }
        if (targets.isEmpty()) {
            throw new IllegalArgumentException("no projections are given for adapters; known: " + knownTargets());
        }
        targets = Collections.unmodifiableSet(EnumSet.copyOf(targets));
        ranks = Collections.unmodifiableMap(new TreeMap<>(ranks));
        alphas = Collections.unmodifiableMap(new TreeMap<>(alphas));
        ranks.forEach((module, value) -> Check.positive("lora rank of " + module, value));
        alphas.forEach((module, value) -> requirePositive("lora alpha of " + module, value));
    }

    /// Settings that are the same for every module.
    ///
    /// @param rank of every adapter, positive
    /// @param alpha of every adapter, positive
    /// @param dropout in [0, 1)
    /// @param targets the projections
    /// @return the settings
    public static LoraSettings of(int rank, double alpha, double dropout, Set<Site> targets) {
        return new LoraSettings(rank, alpha, dropout, targets, false, Map.of(), Map.of());
    }

    /// @param name of a projection inside its block, e.g. `q_proj`
    /// @return the projection
    /// @throws IllegalArgumentException naming the known ones
    public static Site target(String name) {
        for (Site site : Site.values()) {
            if (shortName(site).equals(name)) {
                return site;
            }
        }
        throw new IllegalArgumentException(
                "adapters of " + name + " are not supported; known: " + knownTargets());
    }

    /// @param site a projection
    /// @return its name inside its block, e.g. `q_proj`
    public static String shortName(Site site) {
        return site.path().substring(site.path().indexOf('.') + 1);
    }

    private static String knownTargets() {
        List<String> names = new ArrayList<>();
        for (Site site : Site.values()) {
            names.add(shortName(site));
        }
        return String.join(", ", names);
    }

    /// @param newRanks exceptions by [Site#module]
    /// @param newAlphas exceptions by [Site#module]
    /// @return these settings with other exceptions
    public LoraSettings withModules(Map<String, Integer> newRanks, Map<String, Double> newAlphas) {
        return new LoraSettings(rank, alpha, dropout, targets, rankStabilized, newRanks, newAlphas);
    }

    /// @param newTargets the projections
    /// @return these settings for other projections
    public LoraSettings withTargets(Set<Site> newTargets) {
        return new LoraSettings(rank, alpha, dropout, newTargets, rankStabilized, ranks, alphas);
    }

    /// Exceptions by ends of module names, as PEFT's `rank_pattern` and `alpha_pattern` have them.
    ///
    /// @param layers of the model
    /// @param rankPatterns e.g. `down_proj` or `layers.3.self_attn.q_proj`, each for at least one target; the first that
    ///     matches a module counts
    /// @param alphaPatterns likewise
    /// @return these settings with those exceptions
    /// @throws CheckpointException naming a pattern that is no end of a module name
    /// @throws IllegalArgumentException naming a pattern that no target matches
    public LoraSettings withPatterns(
            int layers, Map<String, Integer> rankPatterns, Map<String, Double> alphaPatterns) {
        return withModules(matches("rank", layers, rankPatterns), matches("alpha", layers, alphaPatterns));
    }

    private <T> Map<String, T> matches(String what, int layers, Map<String, T> patterns) {
        Map<String, T> byModule = new LinkedHashMap<>();
        patterns.forEach((key, value) -> {
            ModulePattern pattern = ModulePattern.parse("lora " + what, key);
            List<String> matched = IntStream.range(0, layers)
                    .boxed()
                    .flatMap(layer -> targets.stream().map(site -> site.module(layer)))
                    .filter(pattern::matches)
                    .toList();
            if (matched.isEmpty()) {
                throw new IllegalArgumentException(
                        "a lora " + what + " is given for " + key + ", which is no target of this model");
            }
            matched.forEach(module -> byModule.putIfAbsent(module, value));
        });
        return byModule;
    }

    /// The adapters of a model. A projection that pruning left without inputs or without outputs has none.
    ///
    /// @param shape the model
    /// @return one module per layer and target, in the order of a forward pass
    /// @throws IllegalArgumentException naming an exception that is for no target of this model
    public List<LoraModule> modules(ModelShape shape) {
        Map<String, LoraModule> modules = new LinkedHashMap<>();
        List<String> targeted = new ArrayList<>();
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            for (Site site : targets) {
                String name = site.module(layer);
                targeted.add(name);
                int moduleRank = ranks.getOrDefault(name, rank);
                double moduleAlpha = alphas.getOrDefault(name, alpha);
                double scale = moduleAlpha / (rankStabilized ? Math.sqrt(moduleRank) : moduleRank);
                LoraModule module = LoraModule.of(layer, site, shape, moduleRank, (float) scale);
                if (module.in() > 0 && module.out() > 0) {
                    modules.put(name, module);
                }
            }
        }
        requireKnown("rank", ranks.keySet(), targeted);
        requireKnown("alpha", alphas.keySet(), targeted);
        return List.copyOf(modules.values());
    }

    private static void requireKnown(String what, Set<String> names, List<String> targeted) {
        for (String name : names) {
            if (!targeted.contains(name)) {
                throw new IllegalArgumentException(
                        "a lora " + what + " is given for " + name + ", which is no target of this model");
            }
        }
    }

    private static void requirePositive(String name, double value) {
        if (!(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(name + " is " + value + ", expected a positive number");
        }
    }
}
