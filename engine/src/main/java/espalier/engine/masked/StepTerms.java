package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.FiniteJson;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/// The terms of a step's loss, means over its micro-batches by their shares.
final class StepTerms implements StepNote {
    private final Map<String, Double> sums = new LinkedHashMap<>();
    private double shares;

    /// A step begins.
    void clear() {
        sums.clear();
        shares = 0;
    }

    /// @param terms of a micro-batch, by name
    /// @param share of the micro-batch in its batch
    void add(Map<String, Double> terms, double share) {
        terms.forEach((name, value) -> sums.merge(name, value * share, Double::sum));
        shares += share;
    }

    private double mean(double sum) {
        return shares == 0 ? 0 : sum / shares;
    }

    @Override
    public void describe(ObjectNode metrics) {
        sums.forEach((name, sum) -> FiniteJson.put(metrics, name, mean(sum)));
    }

    @Override
    public String inWords() {
        return sums.entrySet().stream()
                .map(term -> "%s %.4g".formatted(term.getKey().replace('_', '-'), mean(term.getValue())))
                .collect(Collectors.joining(", "));
    }
}
