package espalier.tokenizer;

import java.util.List;

/// Cuts a text into words, which are encoded one by one: each step cuts the words of the step before further.
///
/// @param byteLevel whether the words then are encoded as bytes (the `ByteLevel` step, always the last)
record PreTokenizer(List<Step> steps, boolean byteLevel) {
    PreTokenizer {
        steps = List.copyOf(steps);
    }

    /// Receives one word, `text[from, to)`, not empty.
    interface Words {
        void word(String text, int from, int to);
    }

    /// One way to cut.
    sealed interface Step {
        void split(String text, int from, int to, Words out);
    }

    /// Any Unicode number on its own, or runs of them.
    record Digits(boolean individual) implements Step {
        @Override
        public void split(String text, int from, int to, Words out) {
            int start = from;
            boolean inNumber = false;
            for (int i = from; i < to;) {
                int codePoint = text.codePointAt(i);
                boolean number = Unicode.isNumber(codePoint);
                if (i > start && (number != inNumber || number && individual)) {
                    out.word(text, start, i);
                    start = i;
                }
                inNumber = number;
                i += Character.charCount(codePoint);
            }
            if (start < to) {
                out.word(text, start, to);
            }
        }
    }

    /// Each match of a known regular expression on its own.
    record Isolate(SplitPattern pattern) implements Step {
        @Override
        public void split(String text, int from, int to, Words out) {
            int start = from;
            while (start < to) {
                int end = pattern.end(text, start, to);
                out.word(text, start, end);
                start = end;
            }
        }
    }

    /// A blank in front, where there is none.
    record PrefixBlank() implements Step {
        @Override
        public void split(String text, int from, int to, Words out) {
            if (text.charAt(from) == ' ') {
                out.word(text, from, to);
            } else {
                String prefixed = " " + text.substring(from, to);
                out.word(prefixed, 0, prefixed.length());
            }
        }
    }

    /// Cuts a whole text.
    void split(String text, Words out) {
        if (!text.isEmpty()) {
            split(0, text, 0, text.length(), out);
        }
    }

    private void split(int step, String text, int from, int to, Words out) {
        if (step == steps.size()) {
            out.word(text, from, to);
        } else {
            steps.get(step).split(text, from, to, (words, start, end) -> split(step + 1, words, start, end, out));
        }
    }
}
