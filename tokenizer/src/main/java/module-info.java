/// Tokenizers read from `tokenizer.json` or trained on texts; knows nothing of models.
module espalier.tokenizer {
    requires com.fasterxml.jackson.databind;

    exports espalier.tokenizer;
}
