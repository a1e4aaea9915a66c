package espalier.eval;

import espalier.engine.Progress;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.util.List;
import java.util.OptionalInt;

/// Perplexity over the paragraphs of a text: each is run by itself after the begin token, which is put in front even
/// where the tokenizer adds none, so that every token of the paragraph is predicted.
///
/// @param sequences token ids of each paragraph after the begin token; at least one paragraph
public record ParagraphPerplexity(List<int[]> sequences) {
    /// Copies the list.
    public ParagraphPerplexity {
        if (sequences.isEmpty()) {
            throw new IllegalArgumentException("the text has no paragraph");
        }
        sequences = List.copyOf(sequences);
    }

    /// @param tokenizer of the model
    /// @param beginToken put in front where the tokenizer adds none
    /// @param paragraphs of a text
    /// @return what is to be measured
    /// @throws IllegalArgumentException if there is no paragraph, or no begin token
    public static ParagraphPerplexity of(Tokenizer tokenizer, OptionalInt beginToken, List<String> paragraphs) {
        return new ParagraphPerplexity(paragraphs.stream()
                .map(paragraph -> withBeginToken(tokenizer, beginToken, paragraph))
                .toList());
    }

    /// Refuses, before anything is run, what [#measure] would refuse.
    ///
    /// @param model will be asked for losses
    /// @throws IllegalArgumentException naming the first paragraph that exceeds the context
    public void check(LanguageModel model) {
        for (int i = 0; i < sequences.size(); i++) {
            int length = sequences.get(i).length;
            if (length > model.maxTokens()) {
                throw new IllegalArgumentException(
                        "paragraph %d has %d tokens with the begin token, which exceeds %s"
                                .formatted(i + 1, length, model.context()));
            }
        }
    }

    /// @param model is asked for losses
    /// @param progress told after each call of the model, in paragraphs
    /// @return the result
    /// @throws IllegalArgumentException see [#check]
    public Perplexity measure(LanguageModel model, Progress progress) {
        check(model);
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
