package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.ModelShape;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.PretrainedConfig;
import espalier.engine.weights.PrunedConfig;
import espalier.engine.weights.SideFile;
import espalier.engine.weights.StoredType;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A model that is made from a configuration and a tokenizer: what `init` and `pretrain` share.
///
/// @param config as it is written
/// @param tokenizer of the model, with no more tokens than the vocabulary
/// @param tokenizerFolder where it lies
/// @param type of the written weights
record NewModel(PretrainedConfig config, Tokenizer tokenizer, Path tokenizerFolder, StoredType type) {
    private static final List<String> TOKENIZER_FILES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "tokenizer.model",
            "special_tokens_map.json",
            "added_tokens.json",
            "chat_template.jinja");

    /// @param config `config.json`, or a folder that has one
    /// @param tokenizerFolder a folder with a tokenizer
    /// @param type of the written weights
    /// @throws CheckpointException if they do not fit
    static NewModel read(Path config, Path tokenizerFolder, StoredType type) throws IOException {
        Path file = Files.isDirectory(config) ? config.resolve("config.json") : config;
        PretrainedConfig source = PretrainedConfig.read(file);
        Tokenizer tokenizer = Folders.tokenizer(tokenizerFolder);
        if (tokenizer.vocabSize() > source.vocabSize()) {
            throw new CheckpointException(
                    "%s: vocab_size is %d, expected at least %d, the tokens of the tokenizer in %s"
                            .formatted(config, source.vocabSize(), tokenizer.vocabSize(), tokenizerFolder));
        }
        // A new model has been trained with no prompt, whatever the one that its sizes are taken from has.
        ObjectNode written = new PrunedConfig(
                        source.layers(),
                        source.hiddenSize(),
                        source.vocabSize(),
                        source.rmsNormEps(),
                        type,
                        Optional.empty())
                .toJson(source);
        return new NewModel(PretrainedConfig.parse(written, file.toString()), tokenizer, tokenizerFolder, type);
    }

    /// Texts begin and end with the tokens that configuration and tokenizer name, so the two must name the same.
    ///
    /// @param file shown in messages
    /// @throws CheckpointException naming the field, if they do not
    void requireSameRoles(Path file) {
        OptionalInt begin = tokenizer.bosId();
        if (config.bosId().isPresent() && begin.isPresent() && !config.bosId().equals(begin)) {
            throw differs(file, "bos_token_id", config.bosId().getAsInt(), begin.getAsInt(), "begin");
        }
        OptionalInt end = tokenizer.eosId();
        if (!config.eosIds().isEmpty() && end.isPresent() && !config.eosIds().contains(end.getAsInt())) {
            throw differs(file, "eos_token_id", config.eosIds(), end.getAsInt(), "end");
        }
    }

    private CheckpointException differs(Path file, String field, Object actual, int expected, String role) {
        return new CheckpointException("%s: %s is %s, expected %d, the %s token of the tokenizer in %s"
                .formatted(file, field, actual, expected, role, tokenizerFolder));
    }

    ModelShape shape() {
        return ModelShape.of(config);
    }

    List<TensorShape> tensors() {
        return Architecture.forModelType(config.modelType()).tensors(shape());
    }

    List<SideFile> tokenizerFiles() {
        return TOKENIZER_FILES.stream()
                .map(Path::of)
                .filter(name -> Files.isRegularFile(tokenizerFolder.resolve(name)))
                .map(name -> SideFile.copyOf(tokenizerFolder, name))
                .toList();
    }
}
