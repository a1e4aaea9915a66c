/// Checkpoints, Llama-family models forward and backward, structured pruning, generation.
module espalier.engine {
    requires transitive espalier.kernels;
    requires com.fasterxml.jackson.databind;

    exports espalier.engine.model;
    exports espalier.engine.prune;
    exports espalier.engine.weights;
}
