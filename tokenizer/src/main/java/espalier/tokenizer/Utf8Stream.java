package espalier.tokenizer;

/// Bytes to characters, byte by byte. Whatever is not UTF-8 becomes U+FFFD, one for each maximal part of a sequence
/// (Unicode 16, section 3.9, and Rust's `from_utf8_lossy`; Java's own decoder counts surrogates differently).
final class Utf8Stream {
    private int needed;
    private int codePoint;
    private int lowest;
    private int highest;

    /// Appends the character that this byte completes, if any.
    void accept(byte value, StringBuilder out) {
        int b = value & 0xFF;
        if (needed > 0) {
            if (b >= lowest && b <= highest) {
                codePoint = codePoint << 6 | b & 0x3F;
                lowest = 0x80;
                highest = 0xBF;
                if (--needed == 0) {
                    out.appendCodePoint(codePoint);
                }
                return;
            }
            finish(out);
        }
        start(b, out);
    }

    /// Appends U+FFFD for a sequence that was begun and not completed.
    void finish(StringBuilder out) {
        if (needed > 0) {
            needed = 0;
            out.append('\uFFFD');
        }
    }

    private void start(int b, StringBuilder out) {
        lowest = 0x80;
        highest = 0xBF;
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            needed = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            needed = 2;
            codePoint = b & 0x0F;
            lowest = b == 0xE0 ? 0xA0 : lowest; // no overlong forms
            highest = b == 0xED ? 0x9F : highest; // no surrogates
        } else if (b >= 0xF0 && b <= 0xF4) {
            needed = 3;
            codePoint = b & 0x07;
            lowest = b == 0xF0 ? 0x90 : lowest; // no overlong forms
            highest = b == 0xF4 ? 0x8F : highest; // nothing above U+10FFFF
        } else {
            out.append('\uFFFD');
        }
    }
}
