package espalier.tokenizer;

import java.util.List;
import java.util.SequencedMap;

/// What a [BpeTrainer] learnt.
///
/// @param settings what was asked for
/// @param entries by id, as the vocabulary spells them: special tokens, bytes, merges
/// @param merges in the order of learning; each made the next entry after the bytes
/// @param counts of the texts
public record TrainedBpe(BpeSettings settings, List<String> entries, List<Merge> merges, Counts counts) {
    /// Two neighbouring entries that become one.
    ///
    /// @param left its id
    /// @param right its id
    public record Merge(int left, int right) {}

    /// The texts that were learnt from, without the special tokens spelt out in them.
    ///
    /// @param texts how many there were
    /// @param bytes in UTF-8
    /// @param characters Unicode code points
    /// @param tokens that they are encoded to
    public record Counts(long texts, long bytes, long characters, long tokens) {}

    /// Takes what it is given.
    public TrainedBpe {
        entries = List.copyOf(entries);
        merges = List.copyOf(merges);
    }

    /// The files of a Hugging Face tokenizer folder: `tokenizer.json`, `tokenizer_config.json` and
    /// `special_tokens_map.json`, which [Tokenizer#load] and transformers read.
    ///
    /// @return contents by file name
    public SequencedMap<String, String> files() {
        return new TokenizerJson(this).files();
    }
}
