package espalier.tokenizer;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Reads `model.vocab` and `added_tokens` and joins them: ids are unique and dense, texts are unique.
final class VocabularyReader {
    /// Ids beyond what a file of [TokenizerReader#FILE_LIMIT] can list are refused before anything is counted.
    private static final int ID_LIMIT = TokenizerReader.FILE_LIMIT;

    /// Characters of an added token: each place of a text is compared with that many at worst.
    static final int CONTENT_LIMIT = 256;

    private final JsonField pieces;
    private final JsonField addedTokens;

    VocabularyReader(JsonField root) {
        pieces = root.get("model").get("vocab");
        addedTokens = root.get("added_tokens");
    }

    /// The model's own pieces, in the order of the file.
    Map<String, Integer> pieces() throws TokenizerFormatException {
        Map<String, Integer> ids = new LinkedHashMap<>();
        for (Map.Entry<String, JsonField> piece : pieces.members().entrySet()) {
            ids.put(piece.getKey(), piece.getValue().integer(0, ID_LIMIT));
        }
        return ids;
    }

    /// The added tokens, in the order of the file; a missing list has none.
    List<AddedToken> addedTokens() throws TokenizerFormatException {
        List<AddedToken> tokens = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (JsonField field : addedTokens.isAbsent() ? List.<JsonField>of() : addedTokens.elements()) {
            AddedToken token = new AddedToken(field.object().get("id").integer(0, ID_LIMIT),
                    field.get("content").textNotEmpty(), field.get("special").flag(), field.get("normalized").flag(),
                    field.get("lstrip").flag(), field.get("rstrip").flag(), field.get("single_word").flag());
            if (token.content().length() > CONTENT_LIMIT) {
                throw field.get("content").error("has " + token.content().length() + " characters, more than "
                        + CONTENT_LIMIT);
            }
            if (!seen.add(token.content())) {
                throw field.get("content").error(JsonField.quote(token.content()) + " is listed twice");
            }
            tokens.add(token);
        }
        return tokens;
    }

    /// Pieces and added tokens together.
    Vocabulary join(Map<String, Integer> pieces, List<AddedToken> added) throws TokenizerFormatException {
        Map<String, Integer> ids = new HashMap<>(pieces);
        added.forEach(token -> ids.putIfAbsent(token.content(), token.id()));
        String[] texts = new String[ids.size()];
        for (Map.Entry<String, Integer> piece : pieces.entrySet()) {
            place(texts, piece.getKey(), piece.getValue(), this.pieces);
        }
        BitSet special = new BitSet(texts.length);
        for (AddedToken token : added) {
            Integer pieceId = pieces.get(token.content());
            if (pieceId == null) {
                place(texts, token.content(), token.id(), addedTokens);
            } else if (pieceId != token.id()) {
                throw addedTokens.error(JsonField.quote(token.content()) + " has id " + token.id()
                        + ", but id " + pieceId + " in model.vocab");
            }
            special.set(token.id(), token.special());
        }
        return new Vocabulary(texts, ids, special);
    }

    private static void place(String[] texts, String text, int id, JsonField where) throws TokenizerFormatException {
        if (id >= texts.length) {
            throw where.error(JsonField.quote(text) + " has id " + id + ", but ids must be dense and there are "
                    + texts.length + " tokens");
        }
        if (texts[id] != null) {
            throw where.error("id " + id + " is given to " + JsonField.quote(texts[id]) + " and to "
                    + JsonField.quote(text));
        }
        texts[id] = text;
    }
}
