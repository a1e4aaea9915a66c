/// Measures models: perplexity on fixed windows and on paragraphs.
module espalier.eval {
    requires transitive espalier.engine;
    requires transitive espalier.tokenizer;

    exports espalier.eval;
}
