package espalier.engine.generate;

/// What a [Generator] produced.
///
/// @param ids generated token ids, without the prompt
/// @param end why it stopped
/// @param promptSeconds time until the prompt was read
/// @param decodeSeconds time for all tokens after that
public record Generation(int[] ids, End end, double promptSeconds, double decodeSeconds) {
    /// Why a generation stopped.
    public enum End {
        /// An end token was generated.
        END_TOKEN,
        /// As many tokens as asked for were generated.
        MAX_TOKENS,
        /// The model's context is full.
        CONTEXT,
        /// The listener wanted no more, or the thread was interrupted.
        STOPPED
    }

    /// @return generated tokens after the first, each second; 0 if there was only one
    public double tokensPerSecond() {
        return ids.length <= 1 ? 0 : (ids.length - 1) / decodeSeconds;
    }
}
