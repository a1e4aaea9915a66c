/// Tokenizers read from `tokenizer.json`; knows nothing of models.
module espalier.tokenizer {
    requires com.fasterxml.jackson.databind;

    exports espalier.tokenizer;
}
