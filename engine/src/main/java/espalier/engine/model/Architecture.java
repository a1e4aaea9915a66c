package espalier.engine.model;

import espalier.engine.weights.ExpectedTensor;
import espalier.engine.weights.PretrainedConfig;
import java.util.List;

/// A family of models, declared: which tensors a model has, how large they are, and who feeds whom.
public interface Architecture {
    /// Llama, and what is built like it: Mistral, SmolLM2, TinyLlama, and Qwen2 with its biases.
    Architecture LLAMA = new LlamaArchitecture();

    /// Qwen3: Llama with a norm over each query and key head.
    Architecture QWEN3 = new Qwen3Architecture();

    /// @param modelType `model_type` of a Hugging Face configuration
    /// @return the family's declaration
    /// @throws IllegalArgumentException naming the known types
    static Architecture forModelType(String modelType) {
        return switch (modelType) {
            case "llama", "mistral", "qwen2" -> LLAMA;
            case "qwen3" -> QWEN3;
            default ->
                throw new IllegalArgumentException(
                        "model_type " + modelType + " is not supported; known: llama, mistral, qwen2, qwen3");
        };
    }

    /// @param config a configuration
    /// @return what its checkpoint must hold, in the order of [#tensors]
    static List<ExpectedTensor> expectedTensors(PretrainedConfig config) {
        ModelShape shape = ModelShape.of(config);
        return forModelType(config.modelType()).tensors(shape).stream()
                .map(tensor -> tensor.expected(shape))
                .toList();
    }

    /// @param shape a model of this family
    /// @return its forward pass
    ChannelGraph graph(ModelShape shape);

    /// @param shape a model of this family
    /// @return every tensor of its checkpoint, once, in the order in which a forward pass reads them; a tied model
    ///     has no lm_head
    default List<TensorShape> tensors(ModelShape shape) {
        return graph(shape).tensors();
    }
}
