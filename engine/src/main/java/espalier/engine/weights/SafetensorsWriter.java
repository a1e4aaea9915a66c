package espalier.engine.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Writes safetensors files, a piece of a tensor at a time.
///
/// Tensors are laid out by element type, widest first, then by name, so that each is aligned to its element size;
/// the header is padded to a multiple of eight.
public final class SafetensorsWriter {
    private SafetensorsWriter() {}

    /// Writes a file beside its target, waits for the disk, and renames it over the target in one step.
    ///
    /// After a failure the target is as it was, and the temporary file is gone; a crash leaves a file whose name
    /// begins with a dot and ends in `.tmp`.
    ///
    /// @param file target; one that exists is replaced
    /// @param metadata `__metadata__` entries, may be empty
    /// @param tensors in any order; each source is asked once, in the order of the file
    /// @throws IllegalArgumentException if a name comes twice or is reserved, or a shape is invalid
    /// @throws IOException naming the file and the cause if it cannot be written, or a source gave too few or too
    ///     many bytes
    public static void write(Path file, Map<String, String> metadata, List<TensorToWrite> tensors)
            throws IOException {
        DurableFiles.replace(file, content(file, metadata, tensors));
    }

    /// The bytes of a whole file, for a writer that puts it somewhere itself.
    ///
    /// @param shownAs the name for messages
    /// @param metadata `__metadata__` entries, may be empty
    /// @param tensors in any order; each source is asked once each time the bytes are written
    /// @return the bytes
    /// @throws IllegalArgumentException if a name comes twice or is reserved, or a shape is invalid
    /// @throws IOException if the header cannot be encoded
    public static ByteSource content(Path shownAs, Map<String, String> metadata, List<TensorToWrite> tensors)
            throws IOException {
        List<TensorToWrite> ordered = inFileOrder(shownAs, tensors);
        byte[] header = header(shownAs, metadata, ordered).encode();
        return out -> {
            out.write(ByteBuffer.wrap(header));
            for (TensorToWrite tensor : ordered) {
                writeTensor(tensor, out);
            }
        };
    }

    /// Writes a new file without a rename.
    ///
    /// @param shownAs the name for messages
    static void writeNew(Path file, Path shownAs, Map<String, String> metadata, List<TensorToWrite> tensors)
            throws IOException {
        ByteSource content = content(shownAs, metadata, tensors);
        try {
            DurableFiles.writeNew(file, content::writeTo);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(shownAs, e);
        }
    }

    private static List<TensorToWrite> inFileOrder(Path file, List<TensorToWrite> tensors) {
        Set<String> names = HashSet.newHashSet(tensors.size());
        for (TensorToWrite tensor : tensors) {
            String name = tensor.name();
            if (name.equals(SafetensorsHeader.METADATA) || !StrictJson.hasWholeCharacters(name)) {
                throw new IllegalArgumentException(file + ": a tensor cannot be named " + name);
            }
            if (!names.add(name)) {
                throw new IllegalArgumentException(file + ": tensor " + name + " is given twice");
            }
        }
        // Names are compared as UTF-8 bytes, which differs from String's order beyond U+FFFF.
        return tensors.stream()
                .sorted(Comparator.comparing(TensorToWrite::type, Comparator.reverseOrder())
                        .thenComparing(t -> t.name().getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned))
                .toList();
    }

    private static SafetensorsHeader header(Path file, Map<String, String> metadata, List<TensorToWrite> ordered) {
        List<TensorInfo> infos = new ArrayList<>(ordered.size());
        long position = 0;
        for (TensorToWrite tensor : ordered) {
            long end;
            try {
                end = Math.addExact(position, tensor.bytes());
            } catch (IllegalArgumentException | ArithmeticException e) {
                throw new IllegalArgumentException(file + ": tensor " + tensor.name() + ": " + e.getMessage(), e);
            }
            infos.add(new TensorInfo(tensor.name(), tensor.type(), tensor.shape(), position, end));
            position = end;
        }
        return new SafetensorsHeader(metadata, infos);
    }

    private static void writeTensor(TensorToWrite tensor, WritableByteChannel out) throws IOException {
        Limited limited = new Limited(out, tensor.bytes());
        try {
            tensor.source().writeTo(limited);
            if (limited.written != limited.limit) {
                throw new IOException(
                        "its source gave " + limited.written + " bytes, expected " + limited.limit);
            }
        } catch (IOException e) {
            if (e == limited.failure) {
                // A full disk, for instance, which is not this tensor's doing.
                throw e;
            }
            throw new IOException("tensor " + tensor.name() + ": " + DurableFiles.reason(e), e);
        }
    }

    /// Keeps a source from writing into the next tensor.
    private static final class Limited implements WritableByteChannel {
        private final WritableByteChannel out;
        private final long limit;
        private long written;
        private IOException failure;

        Limited(WritableByteChannel out, long limit) {
            this.out = out;
            this.limit = limit;
        }

        @Override
        public int write(ByteBuffer piece) throws IOException {
            int length = piece.remaining();
            if (length > limit - written) {
                throw new IOException("its source gave at least " + (written + length - limit)
                        + " bytes more than expected");
            }
            try {
                while (piece.hasRemaining()) {
                    out.write(piece);
                }
            } catch (IOException e) {
                failure = e;
                throw e;
            }
            written += length;
            return length;
        }

        @Override
        public boolean isOpen() {
            return out.isOpen();
        }

        @Override
        public void close() {
            // The file goes on after this tensor.
        }
    }
}
