package espalier.tokenizer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/// Text to token ids and back, as Hugging Face tokenizers 0.22.2 does it with the same `tokenizer.json`.
///
/// Read are BPE tokenizers: byte-level (GPT-2, Llama 3, Qwen, SmolLM2), SentencePiece-style with byte fallback
/// (Llama 2) and over whole phrases. Anything else is refused by name when the file is loaded. The file's `truncation`
/// and `padding` are not applied: a text is encoded whole.
///
/// Ids are `0 .. vocabSize - 1`. Immutable, for many threads.
public final class Tokenizer {
    private final String kind;
    private final Vocabulary vocabulary;
    private final TokenMatcher rawTokens;
    private final Normalizer normalizer;
    private final TokenMatcher normalizedTokens;
    private final PreTokenizer preTokenizer;
    private final WordEncoder words;
    private final Decoder decoder;
    private final Specials specials;

    /// Begin and end tokens: their ids, and what the template puts around a text.
    record Specials(OptionalInt bosId, OptionalInt eosId, Template template) {}

    /// Where added tokens are searched for: before and after normalisation.
    record Matchers(TokenMatcher raw, TokenMatcher normalized) {}

    Tokenizer(Vocabulary vocabulary, Matchers matchers, Normalizer normalizer, PreTokenizer preTokenizer, Bpe bpe,
            Decoder decoder, Specials specials) {
        this.vocabulary = vocabulary;
        this.rawTokens = matchers.raw();
        this.normalizer = normalizer;
        this.normalizedTokens = matchers.normalized();
        this.preTokenizer = preTokenizer;
        this.words = new WordEncoder(bpe, preTokenizer.byteLevel());
        this.decoder = decoder;
        this.specials = specials;
        this.kind = (preTokenizer.byteLevel() ? "byte-level BPE" : bpe.hasBytes() ? "BPE with byte fallback" : "BPE")
                + ", " + vocabulary.size() + " pieces";
    }

    /// Reads the tokenizer of a model folder.
    ///
    /// @param folder holds `tokenizer.json` and, if there is one, `tokenizer_config.json`
    /// @throws TokenizerFormatException if a file is malformed or needs what is not supported; it names file and field
    /// @throws IOException if a file cannot be read
    public static Tokenizer load(Path folder) throws IOException {
        return TokenizerReader.read(folder);
    }

    /// The number of tokens, added ones included. A model's embedding may have more rows (padding).
    public int vocabSize() {
        return vocabulary.size();
    }

    /// The token that begins a text: `bos_token` of `tokenizer_config.json`, else the template's first.
    public OptionalInt bosId() {
        return specials.bosId();
    }

    /// The token that ends a text: `eos_token` of `tokenizer_config.json`, else the template's last.
    public OptionalInt eosId() {
        return specials.eosId();
    }

    /// Whether [#encode] with [EncodeOptions#addSpecials] puts a token in front: as the template of `tokenizer.json`
    /// says, else `add_bos_token` of `tokenizer_config.json`.
    public boolean addsBeginToken() {
        return specials.template().prefix().length > 0;
    }

    /// Encodes a text. Lone surrogates, which no UTF-8 text has, count as U+FFFD. A character that the vocabulary has
    /// no way to write becomes the unknown token, or nothing where there is none. Time grows as n log n, memory as n.
    public int[] encode(String text, EncodeOptions options) {
        String input = Unicode.wellFormed(text);
        IdList ids = new IdList();
        if (options.addSpecials()) {
            ids.addAll(specials.template().prefix());
        }
        rawTokens.split(input, options.recogniseSpecials(), new TokenMatcher.Pieces() {
            @Override
            public void text(int from, int to) {
                encodePart(normalizer.apply(input.substring(from, to)), options.recogniseSpecials(), ids);
            }

            @Override
            public void token(int id) {
                ids.add(id);
            }
        });
        if (options.addSpecials()) {
            ids.addAll(specials.template().suffix());
        }
        return ids.toArray();
    }

    private void encodePart(String normalized, boolean recogniseSpecials, IdList ids) {
        normalizedTokens.split(normalized, recogniseSpecials, new TokenMatcher.Pieces() {
            @Override
            public void text(int from, int to) {
                preTokenizer.split(normalized.substring(from, to),
                        (text, start, end) -> words.encode(text, start, end, ids));
            }

            @Override
            public void token(int id) {
                ids.add(id);
            }
        });
    }

    /// Decodes ids to text. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// @param skipSpecials whether special tokens are left out, else they are spelt out
    /// @throws IllegalArgumentException if an id is not in the vocabulary
    public String decode(int[] ids, boolean skipSpecials) {
        StreamDecoder stream = streamDecoder(skipSpecials);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            stream.accept(id, text);
        }
        stream.finish(text);
        return text.toString();
    }

    /// A decoder that takes ids one by one; see there for what it holds back.
    public StreamDecoder streamDecoder(boolean skipSpecials) {
        return new StreamDecoder(this, skipSpecials, decoder.open());
    }

    /// The token as the vocabulary spells it (byte-level pieces in GPT-2's alphabet); empty if there is no such id.
    public Optional<String> tokenText(int id) {
        return vocabulary.contains(id) ? Optional.of(vocabulary.text(id)) : Optional.empty();
    }

    /// The id of a token spelt exactly so, special or not; empty if there is none.
    public OptionalInt tokenId(String token) {
        return vocabulary.id(token);
    }

    /// Whether the id is that of a special token; false if there is no such id.
    public boolean isSpecial(int id) {
        return vocabulary.isSpecial(id);
    }

    /// A short description, such as `byte-level BPE, 49152 pieces`.
    public String kind() {
        return kind;
    }

    void requireId(int id) {
        if (!vocabulary.contains(id)) {
            throw new IllegalArgumentException(
                    "token id " + id + " is not in the vocabulary of " + vocabulary.size() + " tokens");
        }
    }
}
