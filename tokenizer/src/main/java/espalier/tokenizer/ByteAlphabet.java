package espalier.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The byte-level alphabet of GPT-2: each byte has a printable character, so that pieces are readable text.
/// Bytes that are printable Latin-1 stand for themselves, the others for U+0100 upwards in their order.
final class ByteAlphabet {
    private static final char[] CHARACTER = new char[256];
    private static final short[] BYTE = new short[0x100 + 68];

    static {
        Arrays.fill(BYTE, (short) -1);
        char next = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            CHARACTER[b] = printable ? (char) b : next++;
            BYTE[CHARACTER[b]] = (short) b;
        }
    }

    private ByteAlphabet() {}

    /// The UTF-8 bytes of a well-formed text, spelt in the alphabet.
    static String spell(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        char[] spelt = new char[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            spelt[i] = CHARACTER[bytes[i] & 0xFF];
        }
        return new String(spelt);
    }

    /// The character of one byte.
    static String spell(byte value) {
        return String.valueOf(CHARACTER[value & 0xFF]);
    }

    /// Whether a character spells a byte.
    static boolean contains(char c) {
        return c < BYTE.length && BYTE[c] >= 0;
    }

    /// All 256 bytes, by the code points of their characters.
    static byte[] inOrderOfSpelling() {
        byte[] bytes = new byte[CHARACTER.length];
        int n = 0;
        for (short value : BYTE) {
            if (value >= 0) {
                bytes[n++] = (byte) value;
            }
        }
        return bytes;
    }

    /// The bytes that a piece stands for; a piece with a character outside the alphabet stands for its own UTF-8.
    static byte[] bytes(String piece) {
        byte[] bytes = new byte[piece.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = piece.charAt(i);
            if (!contains(c)) {
                return piece.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) BYTE[c];
        }
        return bytes;
    }
}
