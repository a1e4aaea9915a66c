package espalier.tokenizer;

import java.util.Arrays;
import java.util.List;

/// Reads `decoder`: `ByteLevel` alone, or `Replace`, `ByteFallback`, `Fuse` and `Strip` in this order, each of which
/// may be missing.
final class DecoderReader {
    private static final List<String> ORDER = List.of("Replace", "ByteFallback", "Fuse", "Strip");

    private final String[] texts;
    private final short[] byteOf;
    private int stripped = -1;
    private int stripAtMost;

    private DecoderReader(Vocabulary vocabulary) {
        texts = new String[vocabulary.size()];
        Arrays.setAll(texts, vocabulary::text);
        byteOf = new short[texts.length];
        Arrays.fill(byteOf, (short) -1);
    }

    static Decoder decoder(JsonField field, Vocabulary vocabulary) throws TokenizerFormatException {
        if (field.isAbsent()) {
            throw field.error("is missing, so it is not known how tokens join to a text");
        }
        List<JsonField> steps = PipelineReader.type(field).equals("Sequence")
                ? field.get("decoders").elements() : List.of(field);
        if (steps.size() == 1 && PipelineReader.type(steps.getFirst()).equals("ByteLevel")) {
            byte[][] bytes = new byte[vocabulary.size()][];
            Arrays.setAll(bytes, id -> ByteAlphabet.bytes(vocabulary.text(id)));
            return new Decoder.OfBytes(bytes);
        }
        return new DecoderReader(vocabulary).ofPieces(steps);
    }

    private Decoder ofPieces(List<JsonField> steps) throws TokenizerFormatException {
        String before = "";
        for (JsonField step : steps) {
            String type = PipelineReader.type(step);
            if (!ORDER.contains(type)) {
                throw step.get("type").unsupported("decoder", type);
            }
            if (ORDER.indexOf(type) < ORDER.indexOf(before)) {
                throw step.error(type + " after " + before + " is not supported");
            }
            switch (type) {
                case "Replace" -> replace(step);
                case "ByteFallback" -> bytePieces();
                case "Strip" -> strip(step, before);
                default -> { } // Fuse: texts are concatenated in any case
            }
            before = type;
        }
        return new Decoder.OfPieces(texts, byteOf, stripped, stripAtMost);
    }

    private void replace(JsonField step) throws TokenizerFormatException {
        Normalizer.Replace replace = PipelineReader.replaceString(step);
        Arrays.setAll(texts, id -> replace.apply(texts[id]));
    }

    private void bytePieces() {
        for (int id = 0; id < texts.length; id++) {
            byteOf[id] = (short) Vocabulary.byteOf(texts[id]);
        }
    }

    private void strip(JsonField step, String before) throws TokenizerFormatException {
        if (!before.equals("Fuse")) {
            throw step.error("Strip is supported only once, right after Fuse");
        }
        String content = step.get("content").textNotEmpty();
        if (content.codePointCount(0, content.length()) != 1) {
            throw step.get("content").error("expected one character, is " + JsonField.quote(content));
        }
        if (step.get("stop").integer(0, Integer.MAX_VALUE) != 0) {
            throw step.get("stop").error("stripping the end of a text is not supported");
        }
        stripped = content.codePointAt(0);
        stripAtMost = step.get("start").integer(0, Integer.MAX_VALUE);
    }
}
