/// Checkpoints, Llama-family models forward and backward, structured pruning, generation.
module espalier.engine {
    requires espalier.bindings;
    requires transitive espalier.kernels;
    requires transitive com.fasterxml.jackson.databind;

    exports espalier.engine;
    exports espalier.engine.adapt;
    exports espalier.engine.gates;
    exports espalier.engine.generate;
    exports espalier.engine.masked;
    exports espalier.engine.model;
    exports espalier.engine.prune;
    exports espalier.engine.train;
    exports espalier.engine.weights;
}
