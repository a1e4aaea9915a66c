package espalier.tokenizer;

import java.util.ArrayList;
import java.util.List;

/// Reads `normalizer` and `pre_tokenizer`, refusing by name what it does not know.
final class PipelineReader {
    private PipelineReader() {}

    /// The normalizer; none leaves the text as it is.
    static Normalizer normalizer(JsonField field) throws TokenizerFormatException {
        List<Normalizer> steps = new ArrayList<>();
        if (!field.isAbsent()) {
            String type = type(field);
            switch (type) {
                case "Sequence" -> {
                    for (JsonField step : field.get("normalizers").elements()) {
                        steps.add(normalizer(step));
                    }
                }
                case "Prepend" -> steps.add(new Normalizer.Prepend(field.get("prepend").textNotEmpty()));
                case "Replace" -> steps.add(replace(field));
                case "NFC" -> steps.add(new Normalizer.Nfc());
                default -> throw field.get("type").unsupported("normalizer", type);
            }
        }
        return new Normalizer.Chain(steps);
    }

    private static Normalizer replace(JsonField field) throws TokenizerFormatException {
        JsonField pattern = field.get("pattern").object();
        String content = field.get("content").text();
        if (pattern.get("Regex").isAbsent()) {
            return new Normalizer.Replace(pattern.get("String").textNotEmpty(), content);
        }
        JsonField regex = pattern.get("Regex");
        if (regex.text().equals(Normalizer.TrimBlanks.REGEX) && content.isEmpty()) {
            return new Normalizer.TrimBlanks();
        }
        if (regex.text().equals(Normalizer.CollapseBlanks.REGEX) && content.equals(" ")) {
            return new Normalizer.CollapseBlanks();
        }
        throw unknownRegex(regex);
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
