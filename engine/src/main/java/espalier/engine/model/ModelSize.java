package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.DType;
import java.util.List;
import java.util.stream.IntStream;

/// What a model weighs and costs, counted as the LLM-Pruner tables count (arXiv 2305.11627; its release). Exact for any
/// shape, pruned ones included.
///
/// @param parameters every weight, embedding, lm_head, norms and biases included; a tied lm_head once
/// @param prunable elements of the attention and FFN matrices of all layers; no embedding, lm_head, norm or bias
/// @param macs multiply-accumulate operations of a batch of one sequence
/// @param layers the same for each decoder layer
public record ModelSize(long parameters, long prunable, long macs, List<LayerSize> layers) {
    /// Length of the sequence in published MAC counts.
    public static final int PUBLISHED_TOKENS = 64;

    /// What one decoder layer weighs and costs.
    ///
    /// @param parameters every weight of the layer
    /// @param prunable elements of its matrices
    /// @param macs multiply-accumulate operations
    public record LayerSize(long parameters, long prunable, long macs) {}

    /// Copies the list.
    public ModelSize {
        layers = List.copyOf(layers);
    }

    /// @param architecture the model's family
    /// @param shape the model
    /// @return its size, with MACs for [#PUBLISHED_TOKENS] tokens
    public static ModelSize of(Architecture architecture, ModelShape shape) {
        return of(architecture.graph(shape), PUBLISHED_TOKENS);
    }

    /// @param graph the model
    /// @param tokens length of the sequence that MACs are counted for
    /// @return its size
    public static ModelSize of(ChannelGraph graph, int tokens) {
        Check.positive("tokens", tokens);
        int count = graph.shape().layers().size();
        long[] parameters = new long[count];
        long[] prunable = new long[count];
        long[] macs = new long[count];
        long allMacs = 0;
        for (Step step : graph.steps()) {
            long stepMacs = macs(step, tokens);
            allMacs += stepMacs;
            if (step.layer() != Space.WHOLE_MODEL) {
                parameters[step.layer()] += parameters(step);
                macs[step.layer()] += stepMacs;
                if (step instanceof Step.Linear linear) {
                    prunable[step.layer()] += linear.weight().elements();
                }
            }
        }
        return new ModelSize(
                graph.tensors().stream().mapToLong(TensorShape::elements).sum(),
                IntStream.range(0, count).mapToLong(layer -> prunable[layer]).sum(),
                allMacs,
                IntStream.range(0, count)
                        .mapToObj(layer -> new LayerSize(parameters[layer], prunable[layer], macs[layer]))
                        .toList());
    }

    /// @param after size of what is left of the model
    /// @return share of the prunable parameters that is gone
    public double prunableRemoved(ModelSize after) {
        return 1 - (double) after.prunable / prunable;
    }

    /// @param after size of what is left of the model
    /// @return share of all parameters that is gone
    public double totalRemoved(ModelSize after) {
        return 1 - (double) after.parameters / parameters;
    }

    /// @param dtype type that all weights are stored in
    /// @return bytes of the weights
    public long bytes(DType dtype) {
        return parameters * dtype.bytes();
    }

    private static long parameters(Step step) {
        return switch (step) {
            case Step.Embed embed -> embed.weight().elements();
            case Step.Linear linear ->
                linear.weight().elements()
                        + linear.bias().map(TensorShape::elements).orElse(0L);
            case Step.Norm norm -> norm.weight().elements();
            case Step.HeadNorm norm -> norm.weight().elements();
            case Step.Attend _, Step.SwiGlu _, Step.Add _ -> 0;
        };
    }

    /// Per token: a matrix its elements, a norm twice its width, SiLU once its width, the rotary embedding 4 per
    /// query channel; per head and pair of tokens: `2 * headDim` for scores and values and 1 for the softmax.
    /// Look-ups, biases and residual sums are free.
    private static long macs(Step step, long tokens) {
        return switch (step) {
            case Step.Linear linear -> linear.weight().elements() * tokens;
            case Step.Norm norm -> 2 * tokens * norm.in().width();
            case Step.HeadNorm norm -> 2 * tokens * norm.in().width();
            case Step.Attend attend -> {
                long headDim = attend.heads().headDim();
                long heads = attend.heads().heads();
                yield heads * (2 * tokens * tokens * headDim + tokens * tokens) + 4 * tokens * heads * headDim;
            }
            case Step.SwiGlu glu -> tokens * glu.out().width();
            case Step.Embed _, Step.Add _ -> 0;
        };
    }
}
