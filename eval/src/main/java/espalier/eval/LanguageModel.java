package espalier.eval;

import java.util.List;

/// What a measurement needs of a model. It works on token ids; whoever measures has the tokenizer.
public interface LanguageModel {
    /// @return tokens of the longest sequence
    int maxTokens();

    /// @return what limits the length of a sequence, for messages
    default String context() {
        return "the model's context of " + maxTokens();
    }

    /// @return how many tokens a call of [#losses] should have together to run at full speed
    int efficientTokens();

    /// How surprised the model is by each token but the first, given those before it in the same sequence.
    ///
    /// @param sequences token ids, each sequence from position 0, at least one token long
    /// @return for each sequence `[tokens - 1]`: negative natural log-probability of token `i + 1`
    /// @throws IllegalArgumentException if an id is not in the vocabulary or a sequence longer than the context
    /// @throws ArithmeticException if a loss is not finite
    List<double[]> losses(List<int[]> sequences);
}
