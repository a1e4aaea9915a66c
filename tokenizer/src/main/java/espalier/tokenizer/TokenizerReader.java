package espalier.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// Builds a [Tokenizer] from `tokenizer.json` and `tokenizer_config.json`. Both are taken for hostile: whatever
/// contradicts itself or is not known is an error that names file and field.
final class TokenizerReader {
    /// Bytes of a file; the largest vocabularies in use (262144 pieces) take half of it.
    static final int FILE_LIMIT = 64 << 20;

    private TokenizerReader() {}

    static Tokenizer read(Path folder) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        if (!Files.exists(file)) {
            throw noTokenizer(folder);
        }
        JsonField root = JsonField.read(file, FILE_LIMIT);
        JsonField version = root.get("version");
        if (!version.isAbsent() && !version.text().equals("1.0")) {
            throw version.unsupported("version", version.text());
        }
        ModelReader.requireBpe(root.get("model"));
        VocabularyReader vocabularyReader = new VocabularyReader(root);
        Map<String, Integer> pieces = vocabularyReader.pieces();
        List<AddedToken> added = vocabularyReader.addedTokens();
        Vocabulary vocabulary = vocabularyReader.join(pieces, added);
        Bpe bpe = new ModelReader(root.get("model"), pieces).bpe();
        Normalizer normalizer = PipelineReader.normalizer(root.get("normalizer"));
        PreTokenizer preTokenizer = PipelineReader.preTokenizer(root.get("pre_tokenizer"));
        Decoder decoder = DecoderReader.decoder(root.get("decoder"), vocabulary);
        Tokenizer.Specials specials = new SpecialsReader(vocabulary)
                .read(root.get("post_processor"), folder.resolve("tokenizer_config.json"));
        Tokenizer.Matchers matchers = matchers(root.get("added_tokens"), added, normalizer);
        return new Tokenizer(vocabulary, matchers, normalizer, preTokenizer, bpe, decoder, specials);
    }

    private static IOException noTokenizer(Path folder) {
        for (String other : List.of("tokenizer.model", "vocab.gguf", "vocab.json")) {
            Path file = folder.resolve(other);
            if (Files.exists(file)) {
                return new TokenizerFormatException(file.toString(), "",
                        "this vocabulary format is not supported, and there is no tokenizer.json beside it");
            }
        }
        return new NoSuchFileException(folder.resolve("tokenizer.json").toString());
    }

    private static Tokenizer.Matchers matchers(JsonField field, List<AddedToken> added, Normalizer normalizer)
            throws TokenizerFormatException {
        TokenMatcher raw = new TokenMatcher();
        TokenMatcher normalized = new TokenMatcher();
        for (boolean special : new boolean[] {true, false}) { // special tokens win over others spelt the same
            for (AddedToken token : added) {
                if (token.special() == special && token.normalized()) {
                    String pattern = normalizer.apply(token.content());
                    if (pattern.isEmpty()) {
                        throw field.error(JsonField.quote(token.content()) + " is empty after normalisation");
                    }
                    normalized.add(token, pattern);
                } else if (token.special() == special) {
                    raw.add(token, token.content());
                }
            }
        }
        return new Tokenizer.Matchers(raw, normalized);
    }
}
