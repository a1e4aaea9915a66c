package espalier.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Learns a byte-level BPE vocabulary from texts: Sennrich et al. 2016, arXiv:1508.07909, over bytes as in GPT-2.
///
/// Texts are cut into words, by GPT-2's expression and [BpeSettings.Numbers]; special tokens spelt out in them are cut
/// out and count for nothing. Of all pairs of neighbouring entries within words the most frequent becomes a new entry,
/// again and again; of equally frequent pairs the one with the lower left id, then with the lower right id. Neighbours
/// are counted place by place, so `aaa` has the pair `a a` twice. Ids are given to the special tokens, to the bytes in
/// the order of their spelling, and to the merges in the order of learning.
///
/// A pair that spells a special token is passed over, and so is one longer than 256 bytes. Every merge makes a new
/// spelling: what lies between two given places is merged the same way everywhere, unless a merge crosses them. So the
/// words of the texts are encoded exactly as they were cut in learning.
///
/// The result is a function of the words and how often each occurs: the order of the texts does not matter.
/// Memory grows with the text of the distinct words. For one thread.
public final class BpeTrainer {
    /// Told how far learning is.
    @FunctionalInterface
    public interface Listener {
        /// Tells nobody.
        Listener NONE = (done, total) -> {};

        /// @param done merges learnt, rising
        /// @param total merges to learn
        void at(int done, int total);
    }

    private final BpeSettings settings;
    private final PreTokenizer preTokenizer;
    private final TokenMatcher specials = new TokenMatcher();
    private final Map<String, WordCount> words = new HashMap<>();
    private long texts;
    private long characters;

    /// How often a word occurs.
    static final class WordCount {
        long count;
    }

    /// @param settings what to make
    public BpeTrainer(BpeSettings settings) {
        this.settings = settings;
        List<PreTokenizer.Step> steps = new ArrayList<>();
        switch (settings.numbers()) {
            case INDIVIDUAL -> steps.add(new PreTokenizer.Digits(true));
            case RUNS -> { } // the expression keeps them together
        }
        steps.add(new PreTokenizer.Isolate(SplitPattern.GPT2));
        preTokenizer = new PreTokenizer(steps, true);
        List<String> tokens = settings.specials().inOrder();
        for (int id = 0; id < tokens.size(); id++) {
            specials.add(new AddedToken(id, tokens.get(id), true, false, false, false, false), tokens.get(id));
        }
    }

    /// Counts the words of a text. Lone surrogates count as U+FFFD.
    ///
    /// @param text a whole document
    public void add(String text) {
        String input = Unicode.wellFormed(text);
        texts++;
        specials.split(input, true, new TokenMatcher.Pieces() {
            @Override
            public void text(int from, int to) {
                preTokenizer.split(input.substring(from, to), BpeTrainer.this::count);
            }

            @Override
            public void token(int id) {}
        });
    }

    private void count(String text, int from, int to) {
        characters += text.codePointCount(from, to);
        words.computeIfAbsent(text.substring(from, to), word -> new WordCount()).count++;
    }

    /// Learns from the texts that were added.
    ///
    /// @param listener told after each merge, from this thread
    /// @return a vocabulary of exactly the size that was asked for
    /// @throws IllegalArgumentException if the texts yield fewer entries, saying how many
    public TrainedBpe train(Listener listener) {
        MergeLearner learner = new MergeLearner(settings, words);
        TrainedBpe.Counts before = learner.counts(texts, characters);
        int total = settings.vocabSize() - learner.vocabSize();
        for (int done = 0; done < total; done++) {
            if (!learner.learn()) {
                throw new IllegalArgumentException(
                        ("vocab size %d was asked for, but %d texts with %d bytes yield only %d entries"
                                + " from pairs that occur %d times or more: give more text or ask for fewer")
                        .formatted(settings.vocabSize(), texts, before.bytes(), learner.vocabSize(),
                                settings.minFrequency()));
            }
            listener.at(done + 1, total);
        }
        return learner.result(texts, characters);
    }
}
