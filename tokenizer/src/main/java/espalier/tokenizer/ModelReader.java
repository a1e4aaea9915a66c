package espalier.tokenizer;

import java.util.Arrays;
import java.util.List;
import java.util.Map;

/// Reads `model`, which must be BPE.
final class ModelReader {
    private final JsonField model;
    private final Map<String, Integer> pieces;

    /// @param pieces the model's own pieces
    ModelReader(JsonField model, Map<String, Integer> pieces) {
        this.model = model;
        this.pieces = pieces;
    }

    /// Refuses every model but BPE; files older than the field `type` are BPE if they have merges.
    static void requireBpe(JsonField model) throws TokenizerFormatException {
        JsonField type = model.object().get("type");
        if (type.isAbsent() && !model.get("merges").isAbsent()) {
            return;
        }
        if (!type.text().equals("BPE")) {
            throw type.unsupported("model", type.text());
        }
    }

    Bpe bpe() throws TokenizerFormatException {
        JsonField dropout = model.get("dropout");
        if (!dropout.isAbsent() && !(dropout.node().isNumber() && dropout.node().doubleValue() == 0)) {
            throw dropout.error("random merges are not supported");
        }
        requireNoAffix(model.get("continuing_subword_prefix"));
        requireNoAffix(model.get("end_of_word_suffix"));
        return new Bpe(pieces, merges(), new Bpe.Settings(unknownId(), model.get("fuse_unk").flag(false), byteIds(),
                model.get("ignore_merges").flag(false)));
    }

    private static void requireNoAffix(JsonField affix) throws TokenizerFormatException {
        if (!affix.isAbsent() && !affix.text().isEmpty()) {
            throw affix.unsupported("affix", affix.text());
        }
    }

    private int unknownId() throws TokenizerFormatException {
        JsonField unknown = model.get("unk_token");
        return unknown.isAbsent() ? -1 : id(unknown, unknown.text());
    }

    /// The pieces of the 256 bytes: all if `byte_fallback` is set and there are any, else none.
    private int[] byteIds() throws TokenizerFormatException {
        if (!model.get("byte_fallback").flag(false)) {
            return new int[0];
        }
        int[] ids = new int[256];
        Arrays.fill(ids, -1);
        int found = 0;
        for (Map.Entry<String, Integer> piece : pieces.entrySet()) {
            int value = Vocabulary.byteOf(piece.getKey());
            if (value >= 0) {
                if (ids[value] >= 0) {
                    throw model.get("vocab").error("byte %d has two pieces, ids %d and %d"
                            .formatted(value, ids[value], piece.getValue()));
                }
                ids[value] = piece.getValue();
                found++;
            }
        }
        if (found != 0 && found != 256) {
            throw model.get("byte_fallback").error("is set, but model.vocab has only " + found + " of 256 byte pieces");
        }
        return found == 0 ? new int[0] : ids;
    }

    private Bpe.Merges merges() throws TokenizerFormatException {
        List<JsonField> fields = model.get("merges").elements();
        int[] left = new int[fields.size()];
        int[] right = new int[fields.size()];
        int[] merged = new int[fields.size()];
        for (int rank = 0; rank < left.length; rank++) {
            JsonField field = fields.get(rank);
            String[] pair = pair(field);
            left[rank] = id(field, pair[0]);
            right[rank] = id(field, pair[1]);
            merged[rank] = id(field, pair[0] + pair[1]);
        }
        return new Bpe.Merges(left, right, merged);
    }

    /// A merge is `"left right"` or `["left", "right"]`.
    private static String[] pair(JsonField merge) throws TokenizerFormatException {
        String[] pair;
        if (merge.isArray()) {
            List<JsonField> parts = merge.elements();
            pair = new String[parts.size()];
            for (int i = 0; i < pair.length; i++) {
                pair[i] = parts.get(i).text();
            }
        } else {
            pair = merge.text().split(" ", -1);
        }
        if (pair.length != 2) {
            throw merge.error("expected two pieces, found " + pair.length);
        }
        return pair;
    }

    private int id(JsonField where, String piece) throws TokenizerFormatException {
        Integer id = pieces.get(piece);
        if (id == null) {
            throw where.error(JsonField.quote(piece) + " is not in model.vocab");
        }
        return id;
    }
}
