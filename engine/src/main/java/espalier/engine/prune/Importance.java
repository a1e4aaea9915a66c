package espalier.engine.prune;

import espalier.kernels.Salience;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/// How a unit's importance is estimated (llm-pruner.md §5), by the names of LLM-Pruner's command line.
public enum Importance {
    /// First order, one absolute value for each channel.
    VECTORIZE("vectorize", Optional.of(Salience.VECTOR)),
    /// First order, element by element: Element^1 of the paper.
    PARAM_FIRST("param_first", Optional.of(Salience.FIRST_ORDER)),
    /// Second order, element by element: Element^2.
    PARAM_SECOND("param_second", Optional.of(Salience.SECOND_ORDER)),
    /// First minus half second order: Eq. 5.
    PARAM_MIX("param_mix", Optional.of(Salience.MIXED)),
    /// Sum of magnitudes.
    L1("l1", Optional.of(Salience.L1)),
    /// Sum of squares.
    L2("l2", Optional.of(Salience.L2)),
    /// Uniform random numbers: the baseline of baselines.
    RANDOM("random", Optional.empty());

    private final String label;
    private final Optional<Salience> salience;

    Importance(String label, Optional<Salience> salience) {
        this.label = label;
        this.salience = salience;
    }

    /// @param label a name as in the release
    /// @return the estimate
    /// @throws IllegalArgumentException listing what is allowed
    public static Importance parse(String label) {
        return Arrays.stream(values())
                .filter(importance -> importance.label.equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("importance %s is unknown; allowed: %s".formatted(
                        label,
                        Arrays.stream(values()).map(Importance::label).collect(Collectors.joining(", ")))));
    }

    /// @return the name
    public String label() {
        return label;
    }

    /// @return what is summed; empty for random numbers
    public Optional<Salience> salience() {
        return salience;
    }

    /// @return whether a backward pass over calibration data is needed
    public boolean needsCalibration() {
        return salience.map(s -> s.needsGradient() || s.needsMeanSquare()).orElse(false);
    }

    /// @return the reduction over the matrices of a group that the release uses
    public Reduction defaultReduction() {
        return this == L1 || this == L2 ? Reduction.Stacked.MEAN : Reduction.Stacked.SUM;
    }
}
