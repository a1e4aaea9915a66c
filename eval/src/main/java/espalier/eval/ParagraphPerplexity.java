package espalier.eval;

import espalier.engine.Progress;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// Perplexity over the paragraphs of a text: each is run by itself after the begin token, which is put in front even
/// where the tokenizer adds none, so that every token of the paragraph is predicted.
public final class ParagraphPerplexity {
    private ParagraphPerplexity() {}

    /// @param model is asked for losses
    /// @param tokenizer of the model
    /// @param beginToken put in front where the tokenizer adds none
    /// @param paragraphs of a text
    /// @param progress told after each call of the model, in paragraphs
    /// @return the result
    /// @throws IllegalArgumentException if there is no paragraph, no begin token, or a paragraph exceeds the context
    public static Perplexity measure(
            LanguageModel model,
            Tokenizer tokenizer,
            OptionalInt beginToken,
            List<String> paragraphs,
            Progress progress) {
        List<int[]> sequences = new ArrayList<>();
        for (String paragraph : paragraphs) {
            int[] ids = withBeginToken(tokenizer, beginToken, paragraph);
            if (ids.length > model.maxTokens()) {
                throw new IllegalArgumentException(
                        "paragraph %d has %d tokens with the begin token, which exceeds %s"
                                .formatted(sequences.size() + 1, ids.length, model.context()));
            }
            sequences.add(ids);
        }
        if (sequences.isEmpty()) {
            throw new IllegalArgumentException("the text has no paragraph");
        }
        Accumulator accumulator = new Accumulator(model, sequences.size(), progress);
        sequences.forEach(ids -> accumulator.add(ids, ids.length));
        return accumulator.finish();
    }

    private static int[] withBeginToken(Tokenizer tokenizer, OptionalInt beginToken, String paragraph) {
        int[] ids = tokenizer.encode(paragraph, EncodeOptions.WITH_SPECIALS);
        if (tokenizer.addsBeginToken()) {
            return ids;
        }
        int begin = beginToken.orElseThrow(() -> new IllegalArgumentException(
                "neither config.json nor the tokenizer names a begin token, which every paragraph starts with"));
        int[] all = new int[ids.length + 1];
        all[0] = begin;
        System.arraycopy(ids, 0, all, 1, ids.length);
        return all;
    }
}
