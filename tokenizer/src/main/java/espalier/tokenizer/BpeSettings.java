package espalier.tokenizer;

import java.util.Locale;

/// What a [BpeTrainer] makes.
///
/// @param vocabSize entries in all: special tokens, the 256 bytes, and merges; at most 1048576
/// @param minFrequency how often a pair must occur to be merged, at least 1
/// @param specials the first ids
/// @param numbers how numbers are cut before merging
/// @param addBos whether an encoded text begins with `specials.bos()`, where special tokens are asked for
public record BpeSettings(int vocabSize, long minFrequency, SpecialTokens specials, Numbers numbers, boolean addBos) {
    /// Entries for the bytes.
    static final int BYTES = 256;

    private static final int MOST_ENTRIES = 1 << 20;

    /// How numbers are cut before merging. Either way the cut is part of the tokenizer.
    public enum Numbers {
        /// Each digit is a word of its own, as in SmolLM2 (llama.cpp calls this pre-tokenizer `smollm`): no entry is
        /// spent on years and page numbers, and every number is spelt the same way.
        INDIVIDUAL,
        /// A run of digits is a word, with the blank before it, as in GPT-2 (llama.cpp: `gpt-2`).
        RUNS;

        /// @return as in options, e.g. `individual`
        public String optionName() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /// @throws IllegalArgumentException naming the value that is out of range
    public BpeSettings {
        int least = specials.inOrder().size() + BYTES;
        if (vocabSize < least || vocabSize > MOST_ENTRIES) {
            throw new IllegalArgumentException("vocab size must be from %d (%d bytes and %d special) to %d, got %d"
                    .formatted(least, BYTES, least - BYTES, MOST_ENTRIES, vocabSize));
        }
        if (minFrequency < 1) {
            throw new IllegalArgumentException("min frequency must be positive, got " + minFrequency);
        }
    }

    /// The default: pairs that occur twice, `<|endoftext|>`, digits one by one, no begin token.
    ///
    /// @param vocabSize entries in all
    /// @return the settings
    public static BpeSettings of(int vocabSize) {
        return new BpeSettings(vocabSize, 2, SpecialTokens.DEFAULT, Numbers.INDIVIDUAL, false);
    }

    /// @param other special tokens
    /// @return these settings with them
    public BpeSettings withSpecials(SpecialTokens other) {
        return new BpeSettings(vocabSize, minFrequency, other, numbers, addBos);
    }

    /// @param other cut of numbers
    /// @return these settings with it
    public BpeSettings withNumbers(Numbers other) {
        return new BpeSettings(vocabSize, minFrequency, specials, other, addBos);
    }

    /// @param other frequency that a pair must have
    /// @return these settings with it
    public BpeSettings withMinFrequency(long other) {
        return new BpeSettings(vocabSize, other, specials, numbers, addBos);
    }

    /// @param added whether an encoded text begins with the begin token
    /// @return these settings with it
    public BpeSettings withAddBos(boolean added) {
        return new BpeSettings(vocabSize, minFrequency, specials, numbers, added);
    }
}
