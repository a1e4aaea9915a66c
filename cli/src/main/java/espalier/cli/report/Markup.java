package espalier.cli.report;

/// Markup under construction. Written so that it is well-formed XML as well, which a test can check.
final class Markup {
    private final StringBuilder out = new StringBuilder(1 << 14);

    /// Appends markup as it is; never text that came from outside.
    Markup raw(String markup) {
        out.append(markup);
        return this;
    }

    /// Appends plain text, escaped for content and for quoted attributes.
    Markup text(String text) {
        text.codePoints().forEach(c -> {
            switch (c) {
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '&' -> out.append("&amp;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> out.appendCodePoint(allowed(c) ? c : 0xFFFD);
            }
        });
        return this;
    }

    /// Appends an element that holds plain text.
    ///
    /// @param tag name and attributes, e.g. `td class="number"`
    Markup element(String tag, String text) {
        int space = tag.indexOf(' ');
        return raw("<").raw(tag).raw(">").text(text)
                .raw("</").raw(space < 0 ? tag : tag.substring(0, space)).raw(">");
    }

    @Override
    public String toString() {
        return out.toString();
    }

    /// The characters of XML 1.0, less the C1 controls, which HTML forbids.
    private static boolean allowed(int c) {
        return c == '\t' || c == '\n' || c >= 0x20 && c < 0x7F || c >= 0xA0 && c < 0xD800
                || c >= 0xE000 && c < 0xFFFE || c >= 0x10000 && (c & 0xFFFE) != 0xFFFE;
    }
}
