/// Measures models: perplexity on fixed windows and on paragraphs; draws calibration samples; reads
/// training data.
module espalier.eval {
    requires transitive espalier.engine;
    requires transitive espalier.tokenizer;
    requires com.fasterxml.jackson.databind;

    exports espalier.eval;
    exports espalier.eval.data;
}
