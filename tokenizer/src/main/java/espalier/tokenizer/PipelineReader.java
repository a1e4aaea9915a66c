package espalier.tokenizer;

import java.util.ArrayList;
import java.util.List;

/// Reads `normalizer` and `pre_tokenizer`, refusing by name what it does not know.
final class PipelineReader {
    /// Steps of a pipeline, nested sequences counted as what is in them; real ones have up to five.
    private static final int STEP_LIMIT = 32;

    private PipelineReader() {}

    /// The normalizer; none leaves the text as it is.
    static Normalizer normalizer(JsonField field) throws TokenizerFormatException {
        List<Normalizer> steps = new ArrayList<>();
        if (!field.isAbsent()) {
            addNormalizers(field, steps);
        }
        return new Normalizer.Chain(steps);
    }

    private static void addNormalizers(JsonField field, List<Normalizer> steps) throws TokenizerFormatException {
        String type = type(field);
        switch (type) {
            case "Sequence" -> {
                for (JsonField step : field.get("normalizers").elements()) {
                    addNormalizers(step, steps);
                    requireFew(steps, field);
                }
            }
            case "Prepend" -> steps.add(new Normalizer.Prepend(field.get("prepend").textNotEmpty()));
            case "Replace" -> steps.add(replace(field));
            case "NFC" -> steps.add(new Normalizer.Nfc());
            default -> throw field.get("type").unsupported("normalizer", type);
        }
    }

    private static Normalizer replace(JsonField field) throws TokenizerFormatException {
        JsonField regex = field.get("pattern").object().get("Regex");
        if (regex.isAbsent()) {
            return replaceString(field);
        }
        String content = field.get("content").text();
        if (regex.text().equals(Normalizer.TrimBlanks.REGEX) && content.isEmpty()) {
            return new Normalizer.TrimBlanks();
        }
        if (regex.text().equals(Normalizer.CollapseBlanks.REGEX) && content.equals(" ")) {
            return new Normalizer.CollapseBlanks();
        }
        throw unknownRegex(regex);
    }

    /// A `Replace` step of a string. The replacement is no longer than what it replaces, so that a chain of steps
    /// cannot blow up a text.
    static Normalizer.Replace replaceString(JsonField field) throws TokenizerFormatException {
        JsonField pattern = field.get("pattern").object();
        if (!pattern.get("Regex").isAbsent()) {
            throw unknownRegex(pattern.get("Regex"));
        }
        String from = pattern.get("String").textNotEmpty();
        String to = field.get("content").text();
        if (to.length() > from.length()) {
            throw field.get("content").error(JsonField.quote(to) + " is longer than the pattern "
                    + JsonField.quote(from) + ", which is not supported");
        }
        return new Normalizer.Replace(from, to);
    }

    private static void requireFew(List<?> steps, JsonField sequence) throws TokenizerFormatException {
        if (steps.size() > STEP_LIMIT) {
            throw sequence.error("has more than " + STEP_LIMIT + " steps");
        }
    }

    /// The pre-tokenizer; none makes a text a single word.
    static PreTokenizer preTokenizer(JsonField field) throws TokenizerFormatException {
        List<PreTokenizer.Step> steps = new ArrayList<>();
        boolean byteLevel = !field.isAbsent() && addSteps(field, steps);
        return new PreTokenizer(steps, byteLevel);
    }

    /// Adds the steps of a field; true if the last of them is `ByteLevel`.
    private static boolean addSteps(JsonField field, List<PreTokenizer.Step> steps) throws TokenizerFormatException {
        String type = type(field);
        switch (type) {
            case "Sequence" -> {
                boolean byteLevel = false;
                for (JsonField step : field.get("pretokenizers").elements()) {
                    if (byteLevel) {
                        throw step.error("a step after ByteLevel is not supported");
                    }
                    byteLevel = addSteps(step, steps);
                    requireFew(steps, field);
                }
                return byteLevel;
            }
            case "ByteLevel" -> {
                if (field.get("add_prefix_space").flag()) {
                    steps.add(new PreTokenizer.PrefixBlank());
                }
                if (field.get("use_regex").flag(true)) {
                    steps.add(new PreTokenizer.Isolate(SplitPattern.GPT2));
                }
                return true;
            }
            case "Digits" -> steps.add(new PreTokenizer.Digits(field.get("individual_digits").flag()));
            case "Split" -> steps.add(split(field));
            default -> throw field.get("type").unsupported("pre-tokenizer", type);
        }
        return false;
    }

    private static PreTokenizer.Step split(JsonField field) throws TokenizerFormatException {
        JsonField behavior = field.get("behavior");
        if (!behavior.text().equals("Isolated")) {
            throw behavior.unsupported("behavior", behavior.text());
        }
        if (field.get("invert").flag(false)) {
            throw field.get("invert").error("an inverted pattern is not supported");
        }
        JsonField regex = field.get("pattern").object().get("Regex");
        return new PreTokenizer.Isolate(SplitPattern.spelt(regex.text()).orElseThrow(() -> unknownRegex(regex)));
    }

    /// The `type` of a step.
    static String type(JsonField field) throws TokenizerFormatException {
        return field.object().get("type").text();
    }

    /// Regular expressions of a file are hostile text: known ones have hand-written code, no other is ever run.
    static TokenizerFormatException unknownRegex(JsonField regex) {
        return regex.error("the regular expression " + JsonField.quote(regex.node().asText())
                + " is not one of those known, and those of a file are never run");
    }
}
