package espalier.eval;

import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.OptionalInt;

/// Tokens that stand before whatever a model is given, such as the collaborative prompt that it was trained with
/// (Compresso, arXiv:2310.05015): the text is tokenised once, by itself, and its ids are put before those of the rest.
///
/// @param ids `[tokens]`, at least one, not copied
/// @param beginId token that may begin a text; where it does, the prefix takes its place
public record TextPrefix(int[] ids, OptionalInt beginId) {
    /// Checks the length.
    public TextPrefix {
        if (ids.length == 0) {
            throw new IllegalArgumentException("the prefix gives no token, expected at least one");
        }
    }

    /// @param tokenizer of the model
    /// @param beginId token that may begin a text, if there is one
    /// @param text special tokens spelt in it are plain text
    /// @return its ids, after the begin token where the tokenizer adds one; without the end token that some add
    public static TextPrefix of(Tokenizer tokenizer, OptionalInt beginId, String text) {
        EncodeOptions options = new EncodeOptions(true, false);
        int begins = tokenizer.addsBeginToken() ? 1 : 0;
        int ends = tokenizer.encode("", options).length - begins;
        int[] ids = tokenizer.encode(text, options);
        return new TextPrefix(Arrays.copyOf(ids, ids.length - Math.max(0, ends)), beginId);
    }

    /// @return its tokens
    public int length() {
        return ids.length;
    }

    /// @param text token ids
    /// @return the prefix and these, without a begin token between
    public int[] before(int[] text) {
        boolean begins = text.length > 0 && beginId.isPresent() && text[0] == beginId.getAsInt();
        int skipped = begins ? 1 : 0;
        int[] whole = Arrays.copyOf(ids, ids.length + text.length - skipped);
        System.arraycopy(text, skipped, whole, ids.length, text.length - skipped);
        return whole;
    }
}
