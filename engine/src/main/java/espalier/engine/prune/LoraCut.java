package espalier.engine.prune;

import espalier.engine.adapt.LoraFactors;
import espalier.engine.adapt.LoraModule;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Adapters of a model that is cut, cut with it: `diag(r) (W + s B A) diag(c)` is `diag(r) W diag(c)` with the adapter
/// `s (diag(r) B) (A diag(c))`, so rows of B follow the rows of W and columns of A its columns. Ranks and scales stay.
public final class LoraCut {
    private LoraCut() {}

    /// @param architecture the model's family
    /// @param plan what is kept, and the factors that fold into the weights
    /// @param state adapters of the plan's source
    /// @return adapters of the plan's result; a projection that lost all inputs or outputs has none
    /// @throws IllegalArgumentException if the adapters are of another model
    public static LoraState cut(Architecture architecture, PruningPlan plan, LoraState state) {
        if (!state.shape().equals(plan.source())) {
            throw new IllegalArgumentException("the adapters are not of the model that the plan prunes");
        }
        Map<String, LoraFactors> bySource = new HashMap<>();
        state.factors().forEach(factors -> bySource.put(factors.module().name(), factors));
        Surgery surgery = Surgery.of(architecture, plan);
        LoraSettings settings = settings(plan, state.settings());
        List<LoraFactors> cut = new ArrayList<>();
        for (LoraModule module : settings.modules(plan.resultShape())) {
            TensorCut weight = surgery.cuts().get(module.name() + ".weight");
            String source = module.site().module(plan.keptLayers()[module.layer()]);
            cut.add(cut(module, weight, bySource.get(source)));
        }
        return new LoraState(plan.resultShape(), settings, cut);
    }

    /// Exceptions follow their layers, which may have other numbers in the result.
    private static LoraSettings settings(PruningPlan plan, LoraSettings settings) {
        Map<String, Integer> ranks = new HashMap<>();
        Map<String, Double> alphas = new HashMap<>();
        for (int layer = 0; layer < plan.keptLayers().length; layer++) {
            for (Site site : settings.targets()) {
                String source = site.module(plan.keptLayers()[layer]);
                if (settings.ranks().containsKey(source)) {
                    ranks.put(site.module(layer), settings.ranks().get(source));
                }
                if (settings.alphas().containsKey(source)) {
                    alphas.put(site.module(layer), settings.alphas().get(source));
                }
            }
        }
        return settings.withModules(ranks, alphas);
    }

    private static LoraFactors cut(LoraModule module, TensorCut weight, LoraFactors source) {
        int rank = module.rank();
        int sourceIn = source.module().in();
        float[] a = new float[rank * module.in()];
        for (int k = 0; k < rank; k++) {
            for (int i = 0; i < module.in(); i++) {
                int col = weight.cols()[i];
                a[k * module.in() + i] = scaled(source.a()[k * sourceIn + col], weight.colFactors(), col);
            }
        }
        float[] b = new float[module.out() * rank];
        for (int i = 0; i < module.out(); i++) {
            int row = weight.rows()[i];
            for (int k = 0; k < rank; k++) {
                b[i * rank + k] = scaled(source.b()[row * rank + k], weight.rowFactors(), row);
            }
        }
        return new LoraFactors(module, a, b);
    }

    private static float scaled(float value, double[] factors, int index) {
        return factors.length == 0 ? value : (float) (value * factors[index]);
    }
}
