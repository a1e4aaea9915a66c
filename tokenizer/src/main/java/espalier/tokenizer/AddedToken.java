package espalier.tokenizer;

/// A token that is searched for in the text before anything else, with the flags of `added_tokens`.
///
/// @param normalized searched for in the normalised text (its content being normalised as well), else in the raw text
/// @param leftStrip takes the white space in front of it along, `rightStrip` that behind it
/// @param singleWord only where no word character touches it
record AddedToken(int id, String content, boolean special, boolean normalized, boolean leftStrip, boolean rightStrip,
        boolean singleWord) {}
