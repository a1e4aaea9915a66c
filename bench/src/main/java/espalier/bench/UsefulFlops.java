package espalier.bench;

import espalier.engine.model.ModelShape;
import java.util.Collections;
import java.util.List;

/// Multiplications and additions that passes of a batch need: 2 for each weight and token in a forward, as many for the
/// gradient of the inputs; attention by its causal half.
///
/// @param shape of the whole model, of which the vocabulary and the residual stream count
/// @param lengths tokens of each sequence
/// @param layers widths that count
record UsefulFlops(ModelShape shape, List<Integer> lengths, List<LayerWidths> layers) {
    /// @param shape the model, all of it
    /// @param sequences of the batch
    /// @param tokens of each
    /// @return what its passes need
    static UsefulFlops whole(ModelShape shape, int sequences, int tokens) {
        return new UsefulFlops(
                shape, Collections.nCopies(sequences, tokens),
                shape.layers().stream().map(LayerWidths::of).toList());
    }

    /// @param widths of each layer that count instead
    /// @return the same batch, narrower
    UsefulFlops of(List<LayerWidths> widths) {
        return new UsefulFlops(shape, lengths, widths);
    }

    /// @return of a forward with the vocabulary at every position
    double forward() {
        return 2.0 * tokens() * matrixElements() + attention();
    }

    /// Nothing needs the gradient of what is below the first layer's projections, which is ignored here.
    ///
    /// @return of the gradients of all inputs
    double inputs() {
        return 2.0 * tokens() * matrixElements() + 2.5 * attention();
    }

    /// @return of the gradients of the layers' weights
    double layerWeights() {
        return 2.0 * tokens() * layerElements();
    }

    private double tokens() {
        return lengths.stream().mapToInt(Integer::intValue).sum();
    }

    private double layerElements() {
        return layers.stream()
                .mapToDouble(layer -> shape.hidden() * (2 * layer.query() + 2 * layer.kv() + 3 * layer.ffn()))
                .sum();
    }

    private double matrixElements() {
        return layerElements() + (double) shape.hidden() * shape.vocab();
    }

    /// Scores and their product with the values, of the forward.
    private double attention() {
        double query = layers.stream().mapToDouble(LayerWidths::query).sum();
        return lengths.stream().mapToDouble(length -> 2.0 * length * (length + 1) * query).sum();
    }
}
