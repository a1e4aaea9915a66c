package espalier.eval;

import espalier.engine.Progress;
import espalier.kernels.Check;
import java.util.Arrays;

/// Perplexity over windows of fixed length: the text is one sequence of tokens, each window is run by itself from
/// position 0, its first token is never predicted, tokens that fill no window are dropped, and every predicted token
/// counts the same (the protocol of the GPTQ family, LLM-Pruner and NutePrune). Values for different lengths do not
/// compare.
///
/// @param window tokens of a window, at least 2
/// @param stride tokens from one window's start to the next, `1 .. window`; where it is less than `window` only the
///     last `stride` tokens of each window after the first are scored, the others are context
/// @param mostWindows only the first so many windows are run; `Integer.MAX_VALUE` for all
public record WindowPerplexity(int window, int stride, int mostWindows) {
    /// Checks ranges.
    public WindowPerplexity {
        if (window < 2) {
            throw new IllegalArgumentException("window must be at least 2 tokens, got " + window);
        }
        if (stride < 1 || stride > window) {
            throw new IllegalArgumentException("stride must be 1 to %d, the window, got %d".formatted(window, stride));
        }
        Check.positive("windows", mostWindows);
    }

    /// @param tokens of a text
    /// @return windows that it fills, and that are run
    public int windows(int tokens) {
        return tokens < window ? 0 : Math.min(mostWindows, (tokens - window) / stride + 1);
    }

    /// Refuses, before anything is run, what [#measure] would refuse.
    ///
    /// @param model will be asked for losses
    /// @param ids `[tokens]`, the text
    /// @throws IllegalArgumentException if the window exceeds the model's context or the text fills no window
    public void check(LanguageModel model, int[] ids) {
        if (window > model.maxTokens()) {
            throw new IllegalArgumentException("a window of %d tokens exceeds %s"
                    .formatted(window, model.context()));
        }
        if (windows(ids.length) == 0) {
            throw new IllegalArgumentException(
                    "the text has %d tokens, which fill no window of %d".formatted(ids.length, window));
        }
    }

    /// @param model is asked for losses
    /// @param ids `[tokens]`, the text, with the begin token if the tokenizer adds one
    /// @param progress told after each call of the model, in windows
    /// @return the result
    /// @throws IllegalArgumentException see [#check]
    public Perplexity measure(LanguageModel model, int[] ids, Progress progress) {
        check(model, ids);
        int windows = windows(ids.length);
        Accumulator accumulator = new Accumulator(model, windows, progress);
        for (int w = 0; w < windows; w++) {
            int from = w * stride;
            accumulator.add(Arrays.copyOfRange(ids, from, from + window), w == 0 ? window : stride);
        }
        return accumulator.finish();
    }
}
