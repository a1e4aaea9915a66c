package espalier.engine.generate;

import espalier.kernels.Check;
import java.util.Set;

/// What to continue, and when to stop.
///
/// @param prompt token ids, at least one
/// @param maxTokens tokens generated at most, at least 1
/// @param endIds tokens that end the text; the one that does is part of the result
/// @param candidates only ids below this are generated: the size of the tokenizer's vocabulary, which may be smaller
///     than the model's
public record GenerationRequest(int[] prompt, int maxTokens, Set<Integer> endIds, int candidates) {
    /// Checks ranges and copies.
    public GenerationRequest {
        if (prompt.length == 0) {
            throw new IllegalArgumentException(
                    "the prompt is empty: generation needs at least one token to start from");
        }
        Check.positive("max-tokens", maxTokens);
        Check.positive("candidates", candidates);
        prompt = prompt.clone();
        endIds = Set.copyOf(endIds);
    }
}
