package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.FiniteJson;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/// The terms of a step's loss, means over its micro-batches by their labels.
final class StepTerms implements StepNote {
    private final Map<String, Double> sums = new LinkedHashMap<>();
    private long labels;

    /// A step begins.
    void clear() {
        sums.clear();
        labels = 0;
    }

    /// @param terms of a micro-batch, by name
    /// @param count of its labels
    void add(Map<String, Double> terms, long count) {
        terms.forEach((name, value) -> sums.merge(name, value * count, Double::sum));
        labels += count;
    }

    private double mean(double sum) {
        return labels == 0 ? 0 : sum / labels;
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
