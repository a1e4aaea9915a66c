package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.concurrent.atomic.AtomicLong;

/// Files that are whole on the disk before anyone can see them under their name.
public final class DurableFiles {
    private static final int BUFFER_BYTES = 1 << 20;
    private static final AtomicLong COUNTER = new AtomicLong();

    private DurableFiles() {}

    /// Writes the content of a new file.
    interface Body {
        void writeTo(Output out) throws IOException;
    }

    /// A name beside the target that no other process and no other call uses.
    ///
    /// @param target the name to come; what is left under the other after a crash begins with a dot and ends in `.tmp`
    /// @return the temporary name
    public static Path temporarySibling(Path target) {
        return target.resolveSibling("." + target.getFileName() + "." + ProcessHandle.current().pid() + "-"
                + COUNTER.incrementAndGet() + ".tmp");
    }

    /// @param path any
    /// @return whether its name is one that [#temporarySibling] gives
    public static boolean isTemporary(Path path) {
        String name = path.getFileName().toString();
        return name.startsWith(".") && name.endsWith(".tmp");
    }

    /// Writes a file beside its target, waits for the disk, and renames it over the target in one step.
    ///
    /// @param file is replaced if it exists; after a failure it is as it was
    /// @param content its bytes
    /// @throws CannotWriteException naming the file and the cause if it cannot be written
    public static void replace(Path file, ByteSource content) throws CannotWriteException {
        Path target = file.toAbsolutePath();
        Path temporary = temporarySibling(target);
        try {
            Unfinished.OF_PROCESS.begin(temporary);
            writeNew(temporary, content::writeTo);
            try {
                Unfinished.OF_PROCESS.publish(() -> Files.move(
                        temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING));
            } catch (IOException e) {
                deleteAfter(e, temporary);
                throw e;
            }
            syncFolder(target.getParent());
        } catch (IOException e) {
            throw cannotWrite(file, e);
        } finally {
            Unfinished.OF_PROCESS.end(temporary);
        }
    }

    /// Replaces a file by a JSON object, indented, as [#replace] does.
    ///
    /// @param file is replaced if it exists; after a failure it is as it was
    /// @param object its content
    /// @throws IOException naming the file and the cause if it cannot be written
    public static void replace(Path file, ObjectNode object) throws IOException {
        replace(file, SideFile.json(file.getFileName().toString(), object).content());
    }

    /// Creates a file, writes it and waits until the disk has it. On failure the file is deleted.
    static void writeNew(Path file, Body body) throws IOException {
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            try {
                Output out = new Output(channel);
                body.writeTo(out);
                out.flush();
                channel.force(true);
            } catch (Throwable e) {
                deleteAfter(e, file);
                throw e;
            }
        }
    }

    /// Makes renames inside a folder durable. Windows has no such call; there the file system's journal must do.
    ///
    /// @param folder the folder
    /// @throws IOException if the disk refuses
    public static void syncFolder(Path folder) throws IOException {
        if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    /// Makes the names in a folder and all folders below it durable.
    ///
    /// @param folder the folder
    /// @throws IOException if the disk refuses
    public static void syncTree(Path folder) throws IOException {
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException e) throws IOException {
                if (e != null) {
                    throw e;
                }
                syncFolder(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    /// Deletes what a failed call left; a failure to do so is added to the first one.
    static void deleteAfter(Throwable failure, Path path) {
        try {
            deleteTree(path);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    /// Deletes a file, or a folder with all that is in it, without following links.
    ///
    /// @param path may be absent
    /// @throws CannotWriteException naming the first file or folder that cannot be deleted
    public static void deleteTree(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(path, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException e) throws IOException {
                if (e != null) {
                    throw e;
                }
                delete(folder);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    private static void delete(Path path) throws CannotWriteException {
        try {
            Files.delete(path);
        } catch (IOException e) {
            throw new CannotWriteException("cannot delete " + path + ": " + reason(e), e);
        }
    }

    /// The exception that tells a user which file was not written and why.
    ///
    /// @param file the file or folder
    /// @param cause why
    /// @return to be thrown
    public static CannotWriteException cannotWrite(Path file, IOException cause) {
        return new CannotWriteException("cannot write " + file + ": " + reason(cause), cause);
    }

    static String reason(IOException e) {
        if (e instanceof ClosedByInterruptException) {
            return "interrupted";
        }
        if (e instanceof FileSystemException fileSystem && fileSystem.getReason() == null) {
            return e.getClass().getSimpleName() + " " + e.getMessage();
        }
        return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    }

    /// A buffered channel that takes every piece whole and counts.
    static final class Output implements WritableByteChannel {
        private final FileChannel channel;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        private long count;

        private Output(FileChannel channel) {
            this.channel = channel;
        }

        @Override
        public int write(ByteBuffer piece) throws IOException {
            int length = piece.remaining();
            while (piece.hasRemaining()) {
                if (!buffer.hasRemaining()) {
                    flush();
                }
                int step = Math.min(piece.remaining(), buffer.remaining());
                // Copying, rather than handing a mapped piece to the system, turns a shrunken source into a fault here.
                buffer.put(buffer.position(), piece, piece.position(), step);
                buffer.position(buffer.position() + step);
                piece.position(piece.position() + step);
            }
            count += length;
            return length;
        }

        long count() {
            return count;
        }

        private void flush() throws IOException {
            buffer.flip();
            while (buffer.hasRemaining()) {
                channel.write(buffer);
            }
            buffer.clear();
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        /// The owner of the file closes it.
        @Override
        public void close() {}
    }
}
