package espalier.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// How pieces become text again. What a piece is worth depends on its neighbours (bytes of one character), so
/// decoding is a [Session] that is fed one id after the other.
sealed interface Decoder {
    /// A new decoding, from the beginning of a text.
    Session open();

    /// One decoding in progress; appends what the ids so far have settled.
    sealed interface Session {
        void accept(int id, StringBuilder out);

        void finish(StringBuilder out);
    }

    /// Byte-level pieces (`ByteLevel`): the bytes of all pieces in a row, read as UTF-8.
    ///
    /// @param bytes for each id its bytes
    record OfBytes(byte[][] bytes) implements Decoder {
        @Override
        public Session open() {
            return new ByteSession(bytes);
        }
    }

    /// Pieces of text (`Replace`, `ByteFallback`, `Fuse`, `Strip` in this order).
    ///
    /// @param texts for each id its text
    /// @param byteOf for each id the byte that it stands for, -1 for none
    /// @param stripped the character removed from the very beginning of a text, at most `stripAtMost` times
    record OfPieces(String[] texts, short[] byteOf, int stripped, int stripAtMost) implements Decoder {
        @Override
        public Session open() {
            return new PieceSession(this);
        }
    }

    /// Session of [OfBytes].
    final class ByteSession implements Session {
        private final byte[][] bytes;
        private final Utf8Stream characters = new Utf8Stream();

        private ByteSession(byte[][] bytes) {
            this.bytes = bytes;
        }

        @Override
        public void accept(int id, StringBuilder out) {
            for (byte b : bytes[id]) {
                characters.accept(b, out);
            }
        }

        @Override
        public void finish(StringBuilder out) {
            characters.finish(out);
        }
    }

    /// Session of [OfPieces]. A run of byte pieces is text if the whole run is UTF-8, else one U+FFFD for each byte:
    /// so it is settled only by the piece that ends it.
    final class PieceSession implements Session {
        private final OfPieces pieces;
        private final ByteArrayOutputStream run = new ByteArrayOutputStream();
        private int stillToStrip;

        private PieceSession(OfPieces pieces) {
            this.pieces = pieces;
            this.stillToStrip = pieces.stripAtMost();
        }

        @Override
        public void accept(int id, StringBuilder out) {
            if (pieces.byteOf()[id] >= 0) {
                run.write(pieces.byteOf()[id]);
            } else {
                finish(out);
                append(pieces.texts()[id], out);
            }
        }

        @Override
        public void finish(StringBuilder out) {
            if (run.size() > 0) {
                append(text(run.toByteArray()), out);
                run.reset();
            }
        }

        private static String text(byte[] bytes) {
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
            } catch (CharacterCodingException notText) {
                return "\uFFFD".repeat(bytes.length);
            }
        }

        private void append(String text, StringBuilder out) {
            int from = 0;
            while (stillToStrip > 0 && from < text.length()) {
                if (text.codePointAt(from) == pieces.stripped()) {
                    from += Character.charCount(pieces.stripped());
                    stillToStrip--;
                } else {
                    stillToStrip = 0;
                }
            }
            out.append(text, from, text.length());
        }
    }
}
