package espalier.tokenizer;

import java.io.IOException;

/// A tokenizer file that is malformed, contradicts itself or asks for what is not supported.
///
/// The message names the file and the field: `…/tokenizer.json: model.merges[3]: …`.
public final class TokenizerFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    TokenizerFormatException(String file, String field, String problem) {
        super(file + ": " + (field.isEmpty() ? "" : field + ": ") + problem);
    }
}
