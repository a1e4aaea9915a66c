package espalier.engine.train;

/// A sequence to learn from, and which of its tokens are learnt.
///
/// @param ids token ids, not copied; at least one
/// @param firstLabel index of the first token that is predicted: 0 or 1 for a plain text, the length of the prompt for
///     an instruction. The token at index 0 has nothing before it and is never predicted
public record Example(int[] ids, int firstLabel) {
    /// Checks the ranges.
    public Example {
        if (ids.length == 0) {
            throw new IllegalArgumentException("an example has no tokens");
        }
        if (firstLabel < 0) {
            throw new IllegalArgumentException("firstLabel must not be negative, got " + firstLabel);
        }
    }

    /// @return number of tokens that are predicted; 0 if all were cut off
    public int labels() {
        return Math.max(0, ids.length - Math.max(1, firstLabel));
    }
}
