package espalier.tokenizer;

/// Decodes ids one by one, as a generator produces them. All texts returned, that of [#finish] included, concatenate
/// to exactly what [Tokenizer#decode] gives for all ids.
///
/// Text is held back until it is settled. With byte-level pieces that is an unfinished UTF-8 sequence, at most three
/// bytes. With byte-fallback pieces (`<0x0A>`) it is the whole run of them, because Hugging Face tokenizers 0.22.2
/// replaces every byte of a run that is not valid as a whole: a line feed comes with the token after it.
///
/// To stream the continuation of a prompt feed the prompt's ids first and drop their text; otherwise the
/// continuation is decoded as the beginning of a text, whose first blank is removed by SentencePiece-style decoders.
///
/// One object for one stream, one thread at a time.
public final class StreamDecoder {
    private final Tokenizer tokenizer;
    private final boolean skipSpecials;
    private final Decoder.Session session;
    private boolean finished;

    StreamDecoder(Tokenizer tokenizer, boolean skipSpecials, Decoder.Session session) {
        this.tokenizer = tokenizer;
        this.skipSpecials = skipSpecials;
        this.session = session;
    }

    /// Takes the next id.
    ///
    /// @return the text that is settled now, made of whole characters; often empty
    /// @throws IllegalArgumentException if the id is not in the vocabulary
    /// @throws IllegalStateException after [#finish]
    public String accept(int id) {
        StringBuilder out = new StringBuilder();
        accept(id, out);
        return out.toString();
    }

    /// Ends the text.
    ///
    /// @return what was held back, an unfinished character as U+FFFD
    /// @throws IllegalStateException if called twice
    public String finish() {
        StringBuilder out = new StringBuilder();
        finish(out);
        return out.toString();
    }

    void accept(int id, StringBuilder out) {
        requireOpen();
        tokenizer.requireId(id);
        if (!skipSpecials || !tokenizer.isSpecial(id)) {
            session.accept(id, out);
        }
    }

    void finish(StringBuilder out) {
        requireOpen();
        finished = true;
        session.finish(out);
    }

    private void requireOpen() {
        if (finished) {
            throw new IllegalStateException("this stream was finished; take a new one for another text");
        }
    }
}
