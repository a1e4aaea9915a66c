package espalier.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.PretrainedConfig;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/// Which tokens end a generated text: all that `generation_config.json`, `config.json` or the tokenizer name.
final class EndTokens {
    private static final String FIELD = "eos_token_id";

    private EndTokens() {}

    static Set<Integer> of(Path folder, PretrainedConfig config, Tokenizer tokenizer) throws IOException {
        Set<Integer> ends = new HashSet<>(config.eosIds());
        tokenizer.eosId().ifPresent(ends::add);
        Path file = folder.resolve("generation_config.json");
        if (Files.exists(file)) {
            addTo(ends, file);
        }
        return ends;
    }

    private static void addTo(Set<Integer> ends, Path file) throws IOException {
        JsonNode field;
        try {
            field = new ObjectMapper().readTree(Files.readString(file)).path(FIELD);
        } catch (JsonProcessingException e) {
            throw new CheckpointException(file + ": is not JSON: " + e.getOriginalMessage(), e);
        }
        for (JsonNode id : field.isArray() ? field : new ObjectMapper().createArrayNode().add(field)) {
            if (id.isInt()) {
                ends.add(id.intValue());
            } else if (!id.isMissingNode() && !id.isNull()) {
                throw new CheckpointException(
                        file + ": " + FIELD + " is " + id + ", expected a token id or a list of them");
            }
        }
    }
}
