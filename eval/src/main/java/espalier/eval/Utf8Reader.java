package espalier.eval;

import espalier.engine.weights.StoredTensor;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/// The characters of a UTF-8 file, plain or compressed (`.gz`), read once from front to back in a fixed buffer. What
/// is not UTF-8 is an error that names the line. For one thread.
public final class Utf8Reader extends Reader {
    /// A compressed file may claim any size; longer texts or lines than this are refused rather than held as one
    /// string.
    public static final int MOST = 1 << 30;

    private static final int BUFFER = 1 << 16;

    private final Path file;
    private final long fileBytes;
    private final Counter counter;
    private final InputStream plain;
    private final MessageDigest digest = StoredTensor.newSha256();
    private final CharsetDecoder decoder = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    private final ByteBuffer bytes = ByteBuffer.allocate(BUFFER).flip();
    private final CharBuffer chars = CharBuffer.allocate(BUFFER).flip();
    private long decodedBytes;
    private long decodedLines;
    private boolean ended;
    private String sha256 = "";

    private Utf8Reader(Path file, long fileBytes, Counter counter, InputStream plain) {
        this.file = file;
        this.fileBytes = fileBytes;
        this.counter = counter;
        this.plain = plain;
    }

    /// @param file whose name ends in `.gz` if it is compressed
    /// @return at its first character
    /// @throws TextFormatException if it is a folder or its name says gzip and it is none
    /// @throws IOException if it cannot be read
    public static Utf8Reader open(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new TextFormatException(file + " is a folder, expected a text file");
        }
        Counter counter = new Counter(Files.newInputStream(file));
        try {
            boolean compressed = file.getFileName().toString().endsWith(".gz");
            InputStream plain = compressed ? new GZIPInputStream(counter, BUFFER) : counter;
            return new Utf8Reader(file, Files.size(file), counter, plain);
        } catch (ZipException | EOFException e) {
            counter.close();
            throw notGzip(file, e);
        } catch (IOException e) {
            counter.close();
            throw e;
        }
    }

    private static TextFormatException notGzip(Path file, IOException cause) {
        String reason = Optional.ofNullable(cause.getMessage()).orElse("its header is cut off");
        return new TextFormatException(file + " is not a complete gzip file: " + reason, cause);
    }

    /// @return the file
    public Path file() {
        return file;
    }

    /// @return bytes of the file as it is stored
    public long fileBytes() {
        return fileBytes;
    }

    /// @return how many of [#fileBytes] were read so far, a buffer ahead of the characters at most
    public long fileBytesRead() {
        return counter.count;
    }

    /// @return SHA-256 of the file without its compression, in hexadecimal digits
    /// @throws IllegalStateException if characters are left
    public String sha256() {
        if (!ended || chars.hasRemaining()) {
            throw new IllegalStateException(file + " was not read to its end");
        }
        return sha256;
    }

    /// What follows, without reading it: a look at the format.
    ///
    /// @return the next characters, up to 65536; empty at the end
    /// @throws IOException as [#read(char\[\], int, int)]
    public String peek() throws IOException {
        fill();
        return chars.toString();
    }

    /// @throws TextFormatException if a byte is not UTF-8, naming its line, or if a compressed file is cut off
    /// @throws IOException if the file cannot be read
    @Override
    public int read(char[] buffer, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        if (!fill()) {
            return -1;
        }
        int count = Math.min(length, chars.remaining());
        chars.get(buffer, offset, count);
        return count;
    }

    /// Reads on past a byte order mark, if one comes next.
    ///
    /// @throws IOException as [#read(char\[\], int, int)]
    public void skipByteOrderMark() throws IOException {
        if (fill() && chars.get(chars.position()) == '\ufeff') {
            chars.get();
        }
    }

    /// @return up to the next line feed, which it ends with, or to the end of the file; null if nothing is left
    /// @throws IOException as [#read(char\[\], int, int)]
    public String readLine() throws IOException {
        StringBuilder line = new StringBuilder();
        boolean whole = false;
        while (!whole && fill()) {
            char[] buffer = chars.array();
            int from = chars.position();
            int to = from;
            while (to < chars.limit() && buffer[to] != '\n') {
                to++;
            }
            whole = to < chars.limit();
            to += whole ? 1 : 0;
            line.append(buffer, from, to - from);
            chars.position(to);
            if (line.length() >= MOST) {
                throw new TextFormatException(file + " has a line of " + MOST + " characters or more, expected fewer");
            }
        }
        return line.isEmpty() ? null : line.toString();
    }

    /// @return all that is left
    /// @throws IOException as [#read(char\[\], int, int)]
    String readAll() throws IOException {
        StringBuilder text = new StringBuilder();
        while (fill()) {
            text.append(chars);
            chars.position(chars.limit());
            if (decodedBytes >= MOST) {
                throw new TextFormatException(file + " has " + MOST + " bytes of text or more, expected fewer");
            }
        }
        return text.toString();
    }

    /// Makes sure that a character is there, unless the file is at its end.
    private boolean fill() throws IOException {
        while (!chars.hasRemaining() && !ended) {
            bytes.compact();
            int count = readPlain();
            digest.update(bytes.array(), bytes.position(), count);
            bytes.position(bytes.position() + count).flip();
            decode(count == 0);
            if (count == 0) {
                ended = true;
                sha256 = HexFormat.of().formatHex(digest.digest());
            }
        }
        return chars.hasRemaining();
    }

    /// Fills the buffer as far as the file goes; it has room, since at most a part of one character is left in it.
    private int readPlain() throws IOException {
        try {
            return plain.readNBytes(bytes.array(), bytes.position(), bytes.remaining());
        } catch (ZipException | EOFException e) {
            throw notGzip(file, e);
        }
    }

    private void decode(boolean last) throws TextFormatException {
        chars.clear();
        int from = bytes.position();
        CoderResult result = decoder.decode(bytes, chars, last);
        decodedBytes += bytes.position() - from;
        chars.flip();
        for (int i = 0; i < chars.limit(); i++) {
            if (chars.get(i) == '\n') {
                decodedLines++;
            }
        }
        if (result.isError()) {
            throw new TextFormatException("%s: line %d: byte 0x%02x at offset %d is not UTF-8"
                    .formatted(file, decodedLines + 1, bytes.get(bytes.position()) & 0xFF, decodedBytes));
        }
    }

    @Override
    public void close() throws IOException {
        plain.close();
    }

    /// Counts the bytes of the file itself, before decompression.
    private static final class Counter extends FilterInputStream {
        private long count;

        Counter(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            count += value < 0 ? 0 : 1;
            return value;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            int read = super.read(buffer, offset, length);
            count += Math.max(0, read);
            return read;
        }
    }
}
