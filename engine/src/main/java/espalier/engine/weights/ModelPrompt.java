package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.regex.Pattern;

/// A text that a model was trained to find before its input, and that whoever uses it puts there: Compresso's
/// collaborative prompt (Guo et al. 2023, arXiv:2310.05015). `config.json` carries it, so that any program can do so:
///
///     "espalier": {"format": 1, "prompt": {"style": "collaborative", "prefix": "…", "past_prefix": "…"}}
///
/// Both texts are tokenised by themselves, with the begin token that the tokenizer adds; the ids of the input follow,
/// without a begin token of their own.
///
/// @param style name of the way in which rows of instructions were rendered in training, see
///     `espalier.eval.data.PromptStyle`: small Latin letters, digits, `_` and `-`, at most 64
/// @param prefix as in training; 1 to 65,536 characters
/// @param pastPrefix the same, but saying that the pruning is over; 1 to 65,536 characters
public record ModelPrompt(String style, String prefix, String pastPrefix) {
    private static final int MOST_CHARACTERS = 65_536;
    private static final Pattern STYLE = Pattern.compile("[a-z0-9_-]{1,64}");

    /// Checks the ranges.
    public ModelPrompt {
        if (!STYLE.matcher(style).matches()) {
            throw new IllegalArgumentException("style is \"" + style
                    + "\", expected 1 to 64 of small letters, digits, _ and -");
        }
        check("prefix", prefix);
        check("past_prefix", pastPrefix);
    }

    private static void check(String name, String text) {
        if (text.isEmpty() || text.length() > MOST_CHARACTERS) {
            throw new IllegalArgumentException(
                    "%s has %d characters, expected 1 to %d".formatted(name, text.length(), MOST_CHARACTERS));
        }
        if (!StrictJson.hasWholeCharacters(text)) {
            throw new IllegalArgumentException(name + " has half a surrogate pair");
        }
    }

    /// @param fields of the object
    /// @throws CheckpointException naming file and field if one is missing or breaks a rule
    static ModelPrompt read(ConfigFields fields) {
        String style = fields.text("style");
        String prefix = fields.text("prefix");
        String pastPrefix = fields.text("past_prefix");
        try {
            return new ModelPrompt(style, prefix, pastPrefix);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(fields.file() + ": " + fields.prefix() + e.getMessage(), e);
        }
    }

    ObjectNode toJson() {
        return StrictJson.newObject().put("style", style).put("prefix", prefix).put("past_prefix", pastPrefix);
    }
}
