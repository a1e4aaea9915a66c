package espalier.tokenizer;

/// How [Tokenizer#encode] treats special tokens.
///
/// @param addSpecials whether the begin and end tokens that the tokenizer's template asks for are added
/// @param recogniseSpecials whether a special token spelt out in the text becomes its id; if not, it is encoded as the
///     plain text that it is. Added tokens that are not special are recognised either way.
public record EncodeOptions(boolean addSpecials, boolean recogniseSpecials) {
    /// Begin and end tokens added, spelt-out special tokens recognised: what Hugging Face does by default.
    public static final EncodeOptions WITH_SPECIALS = new EncodeOptions(true, true);

    /// Nothing added, spelt-out special tokens recognised: for text that a chat template already completed.
    public static final EncodeOptions WITHOUT_TEMPLATE = new EncodeOptions(false, true);

    /// Nothing added, nothing recognised: for text of unknown origin.
    public static final EncodeOptions PLAIN_TEXT = new EncodeOptions(false, false);
}
