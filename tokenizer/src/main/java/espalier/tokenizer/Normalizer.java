package espalier.tokenizer;

import java.text.Normalizer.Form;
import java.util.List;

/// What is done to a text before it is cut into words. Regular expressions of the file are never compiled: those
/// known are recognised by their exact spelling and have a record each.
sealed interface Normalizer {
    /// The normalised text; an empty text stays empty.
    String apply(String text);

    /// Puts a prefix in front of a text that is not empty.
    record Prepend(String prefix) implements Normalizer {
        @Override
        public String apply(String text) {
            return text.isEmpty() ? text : prefix + text;
        }
    }

    /// Replaces every occurrence of a string, which is not empty.
    record Replace(String from, String to) implements Normalizer {
        @Override
        public String apply(String text) {
            return text.replace(from, to);
        }
    }

    /// Removes the blanks (U+0020) at both ends.
    record TrimBlanks() implements Normalizer {
        static final String REGEX = "\\A +| +\\z";

        @Override
        public String apply(String text) {
            int from = 0;
            int to = text.length();
            while (from < to && text.charAt(from) == ' ') {
                from++;
            }
            while (to > from && text.charAt(to - 1) == ' ') {
                to--;
            }
            return text.substring(from, to);
        }
    }

    /// Makes every run of blanks (U+0020) a single one.
    record CollapseBlanks() implements Normalizer {
        static final String REGEX = " {2,}";

        @Override
        public String apply(String text) {
            StringBuilder collapsed = new StringBuilder(text.length());
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (c != ' ' || i == 0 || text.charAt(i - 1) != ' ') {
                    collapsed.append(c);
                }
            }
            return collapsed.toString();
        }
    }

    /// Unicode normalisation form C.
    record Nfc() implements Normalizer {
        @Override
        public String apply(String text) {
            return java.text.Normalizer.normalize(text, Form.NFC);
        }
    }

    /// Several steps in order; none leaves the text as it is.
    record Chain(List<Normalizer> steps) implements Normalizer {
        public Chain {
            steps = List.copyOf(steps);
        }

        @Override
        public String apply(String text) {
            String normalized = text;
            for (Normalizer step : steps) {
                normalized = step.apply(normalized);
            }
            return normalized;
        }
    }
}
