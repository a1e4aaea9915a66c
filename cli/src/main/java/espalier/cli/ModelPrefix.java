package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.ModelPrompt;
import espalier.eval.LanguageModel;
import espalier.eval.PrefixedLanguageModel;
import espalier.eval.TextPrefix;
import espalier.tokenizer.Tokenizer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/// What is put before the input of a model, and how results name it.
///
/// @param name `train`, `past`, `none`, or `absent` for a model that carries no prompt
/// @param tokens before each input, if any
record ModelPrefix(String name, Optional<TextPrefix> tokens) {
    private static final Logger LOG = System.getLogger("espalier.cli");

    /// What `name` says of a model without a prompt.
    static final String ABSENT = "absent";

    /// Decides, and says so in one log line where the model carries a prompt.
    ///
    /// @param asked by an option; empty for the prompt as in training, if there is one
    /// @param prompt that the model carries
    /// @param folder of the model
    /// @param tokenizer of the model
    /// @param beginId token that may begin a text
    /// @throws IllegalArgumentException if a prompt is asked for that the model does not carry
    static ModelPrefix of(
            Optional<PrefixOption.Mode> asked,
            Optional<ModelPrompt> prompt,
            Path folder,
            Tokenizer tokenizer,
            OptionalInt beginId) {
        Optional<PrefixOption.Mode> mode = mode(asked, prompt, folder);
        if (mode.isEmpty()) {
            return new ModelPrefix(ABSENT, Optional.empty());
        }
        String name = mode.get().optionName();
        Optional<TextPrefix> tokens = text(mode.get(), prompt.orElseThrow())
                .map(text -> TextPrefix.of(tokenizer, beginId, text));
        LOG.log(
                Level.INFO,
                tokens.map(prefix -> "prefix %s: the %s prompt of %s, %d tokens, comes before each input"
                                .formatted(name, prompt.get().style(), folder, prefix.length()))
                        .orElseGet(() -> "prefix none: the %s prompt that %s was trained with is left out"
                                .formatted(prompt.get().style(), folder)));
        return new ModelPrefix(name, tokens);
    }

    /// @return what to do about the model's prompt; empty if it carries none and is asked for none
    static Optional<PrefixOption.Mode> mode(
            Optional<PrefixOption.Mode> asked, Optional<ModelPrompt> prompt, Path folder) {
        if (prompt.isPresent()) {
            return Optional.of(asked.orElse(PrefixOption.Mode.TRAIN));
        }
        asked.filter(mode -> mode != PrefixOption.Mode.NONE).ifPresent(mode -> {
            throw new IllegalArgumentException("prefix is %s, expected none: %s carries no prompt in its config.json"
                    .formatted(mode.optionName(), folder));
        });
        return Optional.empty();
    }

    private static Optional<String> text(PrefixOption.Mode mode, ModelPrompt prompt) {
        return switch (mode) {
            case NONE -> Optional.empty();
            case TRAIN -> Optional.of(prompt.prefix());
            case PAST -> Optional.of(prompt.pastPrefix());
        };
    }

    /// @return its tokens, 0 for none
    int length() {
        return tokens.map(TextPrefix::length).orElse(0);
    }

    /// @param model as it is
    /// @return the model that is given the prefix before each sequence
    LanguageModel before(LanguageModel model) {
        return tokens.<LanguageModel>map(prefix -> new PrefixedLanguageModel(model, prefix)).orElse(model);
    }

    /// Adds which it is, and its length.
    void describe(ObjectNode json) {
        json.put("prefix", name);
        json.put("prefix_tokens", length());
    }
}
