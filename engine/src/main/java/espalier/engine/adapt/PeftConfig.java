package espalier.engine.adapt;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Site;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.FolderWriter;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// `adapter_config.json` as PEFT writes it, understood; and the way back.
///
/// A field that is not known and says anything at all is refused: it may change the mathematics.
///
/// @param file for messages
/// @param json the content
record PeftConfig(Path file, ObjectNode json) {
    static final String FILE_NAME = FolderWriter.Kind.ADAPTER.marker();

    /// Fields that are read, and fields that say nothing of the mathematics once an adapter is trained.
    private static final Set<String> KNOWN = Set.of(
            "peft_type", "task_type", "target_modules", "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern",
            "alpha_pattern", "bias", "init_lora_weights",
            "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version", "megatron_core",
            "qalora_group_size", "loftq_config", "runtime_config", "ensure_weight_tying");

    /// @param state adapters
    /// @param baseModel name or path of the model that they belong to
    /// @return the configuration
    static ObjectNode of(LoraState state, String baseModel) {
        LoraSettings settings = state.settings();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("peft_type", "LORA");
        json.put("task_type", "CAUSAL_LM");
        json.put("base_model_name_or_path", baseModel);
        json.putNull("revision");
        json.put("r", settings.rank());
        putAlpha(json, "lora_alpha", settings.alpha());
        json.put("lora_dropout", settings.dropout());
        json.put("bias", "none");
        ArrayNode targets = json.putArray("target_modules");
        settings.targets().forEach(site -> targets.add(LoraSettings.shortName(site)));
        json.put("fan_in_fan_out", false);
        json.put("inference_mode", true);
        json.put("init_lora_weights", true);
        json.putNull("modules_to_save");
        ObjectNode ranks = json.putObject("rank_pattern");
        settings.ranks().forEach((module, rank) -> ranks.put(ModulePattern.exactly(module), rank));
        ObjectNode alphas = json.putObject("alpha_pattern");
        settings.alphas().forEach((module, alpha) -> putAlpha(alphas, ModulePattern.exactly(module), alpha));
        json.put("use_rslora", settings.rankStabilized());
        json.put("use_dora", false);
        return json;
    }

    private static void putAlpha(ObjectNode json, String name, double alpha) {
        if (alpha == Math.rint(alpha) && alpha <= Integer.MAX_VALUE) {
            json.put(name, (int) alpha);
        } else {
            json.put(name, alpha);
        }
    }

    /// @return name or path of the model, or nothing at all
    String baseModel() {
        JsonNode name = json.path("base_model_name_or_path");
        return name.isTextual() ? name.textValue() : "";
    }

    /// @param shape the model
    /// @return what the configuration says for it
    /// @throws CheckpointException naming the field that is wrong or not supported
    LoraSettings settings(ModelShape shape) {
        refuseUnsupported();
        Set<Site> targets = targets();
        int rank = intValue("r", json.path("r"), 8);
        double alpha = number("lora_alpha", json.path("lora_alpha"), 8);
        Map<String, Integer> ranks = new LinkedHashMap<>();
        Map<String, Double> alphas = new LinkedHashMap<>();
        for (int layer = 0; layer < shape.layers().size(); layer++) {
            for (Site site : targets) {
                String module = site.module(layer);
                int moduleRank = intValue("rank_pattern", pattern("rank_pattern", module), rank);
                double moduleAlpha = number("alpha_pattern", pattern("alpha_pattern", module), alpha);
                if (moduleRank != rank) {
                    ranks.put(module, moduleRank);
                }
                if (moduleAlpha != alpha) {
                    alphas.put(module, moduleAlpha);
                }
            }
        }
        double dropout = number("lora_dropout", json.path("lora_dropout"), 0);
        try {
            return new LoraSettings(rank, alpha, dropout, targets, isTrue("use_rslora"), ranks, alphas);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(file + ": " + e.getMessage(), e);
        }
    }

    private void refuseUnsupported() {
        if (!json.path("peft_type").asText().equals("LORA")) {
            throw failure("peft_type", "LORA");
        }
        JsonNode task = json.path("task_type");
        if (isActive(task) && !task.asText().equals("CAUSAL_LM")) {
            throw failure("task_type", "CAUSAL_LM");
        }
        JsonNode bias = json.path("bias");
        if (isActive(bias) && !bias.asText().equals("none")) {
            throw failure("bias", "none");
        }
        // Others, such as pissa, change the base weights too.
        JsonNode init = json.path("init_lora_weights");
        if (isActive(init) && !init.isBoolean() && !init.asText().equals("gaussian")) {
            throw failure("init_lora_weights", "true, false or gaussian");
        }
        for (Map.Entry<String, JsonNode> field : json.properties()) {
            if (!KNOWN.contains(field.getKey()) && isActive(field.getValue())) {
                throw new CheckpointException(file + ": " + field.getKey() + " is " + field.getValue()
                        + ", which is not supported; expected it to be absent, null, false or empty");
            }
        }
    }

    private static boolean isActive(JsonNode value) {
        boolean isOff = value.isMissingNode()
                || value.isNull()
                || value.isBoolean() && !value.booleanValue()
                || value.isContainerNode() && value.isEmpty();
        return !isOff;
    }

    private Set<Site> targets() {
        JsonNode names = json.path("target_modules");
        if (!names.isArray() || names.isEmpty()) {
            throw failure("target_modules", "a list of module names; regular expressions are not supported");
        }
        EnumSet<Site> targets = EnumSet.noneOf(Site.class);
        for (JsonNode name : names) {
            try {
                targets.add(LoraSettings.target(name.asText()));
            } catch (IllegalArgumentException e) {
                throw new CheckpointException(file + ": target_modules: " + e.getMessage(), e);
            }
        }
        return targets;
    }

    /// The value of the first key that matches, as in PEFT.
    private JsonNode pattern(String field, String module) {
        JsonNode patterns = json.path(field);
        if (isActive(patterns) && !patterns.isObject()) {
            throw failure(field, "an object");
        }
        JsonNode first = null;
        for (Map.Entry<String, JsonNode> entry : patterns.properties()) {
            boolean matches = ModulePattern.parse(file + ": " + field, entry.getKey()).matches(module);
            if (matches && first == null) {
                first = entry.getValue();
            }
        }
        return first == null ? JsonNodeFactory.instance.missingNode() : first;
    }

    private boolean isTrue(String field) {
        JsonNode value = json.path(field);
        if (isActive(value) && !value.isBoolean()) {
            throw failure(field, "true or false");
        }
        return value.asBoolean();
    }

    private int intValue(String field, JsonNode value, int absent) {
        if (value.isMissingNode()) {
            return absent;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() <= 0) {
            throw failure(field, "positive integers");
        }
        return value.intValue();
    }

    private double number(String field, JsonNode value, double absent) {
        if (value.isMissingNode()) {
            return absent;
        }
        if (!value.isNumber()) {
            throw failure(field, "numbers");
        }
        return value.doubleValue();
    }

    private CheckpointException failure(String field, String expected) {
        return new CheckpointException(file + ": " + field + " is "
                + (json.has(field) ? json.get(field) : "missing") + ", expected " + expected);
    }
}
