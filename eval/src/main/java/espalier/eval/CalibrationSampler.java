package espalier.eval;

import espalier.kernels.Check;
import espalier.kernels.Philox;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Draws the token sequences that importance is estimated on, as LLM-Pruner does (arXiv:2305.11627, release): documents
/// that have enough tokens, each used once, cropped to one length, so that no padding is needed.
///
/// Documents are the rows of JSON Lines, and the parts of plain text between lines [TextSource#DOCUMENT_END]. Where
/// plain text has no such line its paragraphs are joined, in order, until each document is long enough. Unlike the
/// release, which draws for ever where too few documents are long enough, this ends with an error.
public final class CalibrationSampler {
    /// Keeps these draws apart from other uses of the same seed.
    private static final long STREAM = 0x63616c6962L;

    /// Which documents, and which of their tokens.
    public enum Choice {
        /// Documents drawn at random without repetition, a random crop of each: as released.
        RANDOM,
        /// The first documents that are long enough, each from its first token.
        FIRST
    }

    /// @param samples sequences wanted
    /// @param tokens of each sequence, the begin token included if the tokenizer adds one
    /// @param choice which ones
    /// @param seed of [Choice#RANDOM]
    public record Options(int samples, int tokens, Choice choice, long seed) {
        /// Checks ranges.
        public Options {
            Check.positive("samples", samples);
            if (tokens < 2) {
                throw new IllegalArgumentException("tokens of a sample must be at least 2, got " + tokens);
            }
        }
    }

    private final TextSource source;
    private final Tokenizer tokenizer;
    private final Options options;

    /// @param source of documents
    /// @param tokenizer of the model, with its usual special tokens
    /// @param options what to draw
    public CalibrationSampler(TextSource source, Tokenizer tokenizer, Options options) {
        this.source = source;
        this.tokenizer = tokenizer;
        this.options = options;
    }

    /// @param draw number of the draw, from 0: with [Choice#RANDOM] each is another one, equal for equal numbers
    /// @return `[samples][tokens]`
    /// @throws IllegalArgumentException if too few documents are long enough, with the counts
    /// @throws IOException if the source is malformed
    public int[][] draw(int draw) throws IOException {
        Optional<List<String>> separated = source.documents();
        List<String> documents = separated.isPresent() ? separated.get() : joinedParagraphs();
        Philox random = new Philox(options.seed(), STREAM + Check.notNegative("draw", draw));
        int[] order = order(documents.size(), random);
        int[][] samples = new int[options.samples()][];
        int found = 0;
        int longest = 0;
        for (int i = 0; i < order.length && found < samples.length; i++) {
            int[] ids = encode(documents.get(order[i]));
            longest = Math.max(longest, ids.length);
            if (ids.length >= options.tokens()) {
                samples[found++] = crop(ids, random, documents.size() + (long) order[i]);
            }
        }
        if (found < samples.length) {
            throw new IllegalArgumentException(
                    "%s: %d of %d documents have %d tokens or more, expected at least %d; the longest has %d"
                            .formatted(
                                    source.file(),
                                    found,
                                    documents.size(),
                                    options.tokens(),
                                    samples.length,
                                    longest));
        }
        return samples;
    }

    private int[] encode(String text) {
        return tokenizer.encode(text, EncodeOptions.WITH_SPECIALS);
    }

    /// Each document gets paragraphs until it is long enough; what is left over at the end is too short and stays so.
    private List<String> joinedParagraphs() throws IOException {
        List<String> documents = new ArrayList<>();
        StringBuilder document = new StringBuilder();
        for (String paragraph : source.paragraphs()) {
            document.append(document.isEmpty() ? "" : Join.BLANK_LINE).append(paragraph);
            if (encode(document.toString()).length >= options.tokens()) {
                documents.add(document.toString());
                document.setLength(0);
            }
        }
        if (!document.isEmpty()) {
            documents.add(document.toString());
        }
        return documents;
    }

    private int[] order(int count, Philox random) {
        return random.order(count, options.choice() == Choice.RANDOM ? count - 1 : 0);
    }

    private int[] crop(int[] ids, Philox random, long index) {
        int from = switch (options.choice()) {
            case FIRST -> 0;
            case RANDOM -> random.below(index, ids.length - options.tokens() + 1);
        };
        return Arrays.copyOfRange(ids, from, from + options.tokens());
    }
}
