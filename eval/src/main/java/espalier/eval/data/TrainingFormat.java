package espalier.eval.data;

import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// What a file of training data looks like.
public enum TrainingFormat {
    /// Plain text: one document, or several with the line `<|endoftext|>` between them, as TinyStories is released.
    TEXT,
    /// One JSON object a line, each a text row or an instruction row; blank lines count for nothing.
    JSON_LINES,
    /// One JSON array of such objects, as Alpaca is released.
    JSON_ARRAY;

    private static final Pattern OBJECT = Pattern.compile("\\s*\\{\\s*[\"}]");
    private static final Pattern ARRAY = Pattern.compile("\\s*\\[\\s*(\\{\\s*[\"}]|\\])");
    private static final Pattern BRACKET = Pattern.compile("\\s*\\[");

    /// A name that ends in `.jsonl` or `.json` promises JSON, so that a broken file of that name is an error and not a
    /// plain text. Other names promise nothing and the content decides: JSON if it begins as an object with a key, or
    /// as an array of such.
    ///
    /// @param fileName without folders; `.gz` at its end counts for nothing
    /// @param beginning of the plain content
    /// @return the format
    static TrainingFormat detect(String fileName, CharSequence beginning) {
        String name = fileName.endsWith(".gz") ? fileName.substring(0, fileName.length() - ".gz".length()) : fileName;
        if (name.endsWith(".jsonl")) {
            return JSON_LINES;
        }
        if (name.endsWith(".json")) {
            return BRACKET.matcher(beginning).lookingAt() ? JSON_ARRAY : JSON_LINES;
        }
        if (ARRAY.matcher(beginning).lookingAt()) {
            return JSON_ARRAY;
        }
        return OBJECT.matcher(beginning).lookingAt() ? JSON_LINES : TEXT;
    }

    /// @param name as in options, e.g. `json-lines`
    /// @return the constant, if there is one
    public static Optional<TrainingFormat> named(String name) {
        for (TrainingFormat format : values()) {
            if (format.optionName().equals(name)) {
                return Optional.of(format);
            }
        }
        return Optional.empty();
    }

    /// @return as in options and results, e.g. `json-lines`
    public String optionName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
