package espalier.engine.generate;

import espalier.kernels.Check;

/// How the next token is picked: temperature first, then top-k, then top-p, as in transformers.
///
/// @param temperature divides the logits; 0 picks the first of the largest logits and ignores the rest
/// @param topK only so many of the most probable tokens are candidates; 0 for all
/// @param topP only the most probable tokens whose probabilities add up to this are candidates, the one that reaches it
///     included; in (0, 1], 1 for all
/// @param seed of the random numbers
public record SamplingOptions(double temperature, int topK, double topP, long seed) {
    /// The most probable token, always.
    public static final SamplingOptions GREEDY = new SamplingOptions(0, 0, 1, 0);

    /// Checks ranges.
    public SamplingOptions {
        if (!(temperature >= 0 && temperature < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("temperature must be finite and not negative, got " + temperature);
        }
        Check.notNegative("top-k", topK);
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException("top-p must be in (0, 1], got " + topP);
        }
    }

    /// @return whether no random number is needed
    public boolean isGreedy() {
        return temperature == 0;
    }
}
