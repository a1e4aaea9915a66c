package espalier.eval.data;

import espalier.engine.weights.ModelPrompt;
import java.util.Locale;
import java.util.Optional;

/// How an instruction row becomes text: a prompt that the model is given, and the answer that it learns after it.
public enum PromptStyle {
    /// The template of Stanford Alpaca as Alpaca-LoRA has it, with a line feed after `### Response:`; what LLM-Pruner
    /// recovers with.
    ALPACA {
        @Override
        public String prompt(String instruction, String input) {
            return alpaca(instruction, input) + "\n";
        }
    },

    /// The same, but the answer follows `### Response:` at once; what NutePrune fine-tunes with after pruning.
    ALPACA_INLINE {
        @Override
        public String prompt(String instruction, String input) {
            return alpaca(instruction, input);
        }
    },

    /// Compresso's prompt, which tells the model that it is being pruned. The answer follows `### Response:` at once.
    /// A model that is trained in this style carries the prompt, see [#carried].
    COLLABORATIVE {
        @Override
        public String prompt(String instruction, String input) {
            return CollaborativePrompt.of(instruction, input);
        }

        @Override
        public Optional<ModelPrompt> carried() {
            return Optional.of(CollaborativePrompt.CARRIED);
        }
    },

    /// No template, LLM-Pruner's option `no_instruction`: the instruction, a blank, the input, a blank, the answer. A
    /// full stop at the end of the instruction becomes a colon; as in the release, an instruction that ends in none of
    /// `:?!` gets a colon, and an input that ends in none of `.:?!` gets a full stop. Without an input the instruction
    /// is followed by two blanks, the first of them in the prompt, which is what the release trains on.
    PLAIN {
        @Override
        public String prompt(String instruction, String input) {
            String asked = instruction.endsWith(".") ? instruction.substring(0, instruction.length() - 1) + ":"
                    : endsInOneOf(":?!", instruction) ? instruction : instruction + ":";
            return asked + " " + input + (input.isEmpty() || endsInOneOf(".:?!", input) ? "" : ".");
        }

        @Override
        public String complete(String prompt, String answer) {
            return answer.isEmpty() ? prompt : prompt + " " + answer;
        }
    };

    private static final String PREAMBLE = "Below is an instruction that describes a task. "
            + "Write a response that appropriately completes the request.\n\n";
    private static final String PREAMBLE_INPUT = "Below is an instruction that describes a task, paired with an input "
            + "that provides further context. Write a response that appropriately completes the request.\n\n";

    private static String alpaca(String instruction, String input) {
        return (input.isEmpty() ? PREAMBLE : PREAMBLE_INPUT)
                + "### Instruction:\n" + instruction + "\n\n"
                + (input.isEmpty() ? "" : "### Input:\n" + input + "\n\n")
                + "### Response:";
    }

    private static boolean endsInOneOf(String marks, String text) {
        return !text.isEmpty() && marks.indexOf(text.charAt(text.length() - 1)) >= 0;
    }

    /// @param instruction what is asked
    /// @param input what it is asked about; empty if there is none
    /// @return what comes before the answer
    public abstract String prompt(String instruction, String input);

    /// @param prompt of [#prompt]
    /// @param answer to it
    /// @return both in one text
    public String complete(String prompt, String answer) {
        return prompt + answer;
    }

    /// @return what the `config.json` of a model that is trained in this style must say, since it is used with the same
    ///     text; in training its prefix comes before plain texts, too. Empty for styles that need nothing of the kind
    public Optional<ModelPrompt> carried() {
        return Optional.empty();
    }

    /// @param name as in options, e.g. `alpaca`
    /// @return the constant, if there is one
    public static Optional<PromptStyle> named(String name) {
        for (PromptStyle style : values()) {
            if (style.optionName().equals(name)) {
                return Optional.of(style);
            }
        }
        return Optional.empty();
    }

    /// @return as in options and results, e.g. `alpaca`
    public String optionName() {
        return name().toLowerCase(Locale.ROOT);
    }
}
