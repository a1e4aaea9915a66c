package espalier.engine.weights;

import java.util.Arrays;
import java.util.stream.Collectors;

/// Architectures whose configuration and tensors are understood.
public enum ModelFamily {
    /// Llama 1 to 3, SmolLM2 and all that is stored as such.
    LLAMA("llama", "LlamaForCausalLM", "LLaMAForCausalLM"),
    /// Mistral 7B and its kin, without experts.
    MISTRAL("mistral", "MistralForCausalLM"),
    /// Qwen 2 and 2.5.
    QWEN2("qwen2", "Qwen2ForCausalLM"),
    /// Qwen 3, whose queries and keys are normalised; parsed for its sizes.
    QWEN3("qwen3", "Qwen3ForCausalLM");

    private final String modelType;
    private final String[] architectures;

    ModelFamily(String modelType, String... architectures) {
        this.modelType = modelType;
        this.architectures = architectures;
    }

    /// `model_type` of a `config.json`.
    public String modelType() {
        return modelType;
    }

    /// Whether `architectures` of a `config.json` names the causal language model of this family.
    boolean isCausalLm(String architecture) {
        return Arrays.asList(architectures).contains(architecture);
    }

    /// Whether query, key and value projections have biases.
    boolean hasQkvBias(boolean attentionBias) {
        return switch (this) {
            case LLAMA, QWEN3 -> attentionBias;
            case MISTRAL -> false;
            case QWEN2 -> true;
        };
    }

    /// Whether the output projection has a bias: in Llama and Qwen 3 `attention_bias` covers it.
    boolean hasOProjBias(boolean attentionBias) {
        return switch (this) {
            case LLAMA, QWEN3 -> attentionBias;
            case MISTRAL, QWEN2 -> false;
        };
    }

    /// Whether `mlp_bias` means anything.
    boolean readsMlpBias() {
        return this == LLAMA;
    }

    static ModelFamily of(ConfigFields fields) {
        String wanted = fields.text("model_type");
        for (ModelFamily family : values()) {
            if (family.modelType.equals(wanted)) {
                return family;
            }
        }
        throw fields.failure("model_type is " + wanted + ", which is not supported; supported are "
                + Arrays.stream(values()).map(ModelFamily::modelType).collect(Collectors.joining(", ")));
    }
}
