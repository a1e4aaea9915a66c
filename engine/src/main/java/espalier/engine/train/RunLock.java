package espalier.engine.train;

import espalier.engine.weights.DurableFiles;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The lock of a run's folder: at most one process, and in it at most one holder. The system lifts it when the process
/// ends, however it ends. The file stays and holds the id of the process that took it last.
final class RunLock implements AutoCloseable {
    static final String NAME = "lock";

    private static final Logger LOG = System.getLogger(RunLock.class.getName());

    /// Where the lock lies in the file: behind its text, which others must be able to read on Windows too.
    private static final long POSITION = Long.MAX_VALUE - 1;

    private static final int PID_BYTES = 32;

    /// POSIX lifts a process's lock when it closes any channel on the file, so a second holder in this process must
    /// be refused before it opens one.
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path key;
    private final FileChannel channel;

    private RunLock(Path key, FileChannel channel) {
        this.key = key;
        this.channel = channel;
    }

    /// @param out the folder of the run, for messages
    /// @param run the folder to lock
    /// @return the lock; empty if the folder or the file is gone, deleted by a holder that came to nothing: then this
    ///     is to be tried again, after the folder was made
    static Optional<RunLock> take(Path out, Path run) throws IOException {
        return take(out, run, () -> {});
    }

    /// Something that happens meanwhile.
    @FunctionalInterface
    interface Interruption {
        void run() throws IOException;
    }

    /// @param opened is called between opening the file and locking it, for tests
    static Optional<RunLock> take(Path out, Path run, Interruption opened) throws IOException {
        if (Files.notExists(run)) {
            return Optional.empty();
        }
        Path key = run.toRealPath();
        if (!HELD.add(key)) {
            throw inUse(out, Long.toString(ProcessHandle.current().pid()));
        }
        Optional<FileChannel> channel = Optional.empty();
        try {
            channel = lock(out, run.resolve(NAME), opened);
        } finally {
            if (channel.isEmpty()) {
                HELD.remove(key);
            }
        }
        return channel.map(held -> new RunLock(key, held));
    }

    private static Optional<FileChannel> lock(Path out, Path file, Interruption opened) throws IOException {
        Object inode;
        FileChannel channel;
        try {
            FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE).close();
            // Before the channel that is kept: the file may have been deleted by the time of the lock, and who locks a
            // file that has no name anymore keeps out nobody.
            inode = inode(file);
            channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (NoSuchFileException e) {
            return gone(file, e);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
        boolean isHeld = false;
        try {
            opened.run();
            FileLock lock = channel.tryLock(POSITION, 1, false);
            if (lock == null) {
                throw inUse(out, read(channel));
            }
            writePid(file, channel);
            isHeld = Objects.equals(inode, inode(file));
            return isHeld ? Optional.of(channel) : Optional.empty();
        } catch (NoSuchFileException e) {
            return gone(file, e);
        } finally {
            if (!isHeld) {
                channel.close();
            }
        }
    }

    private static Optional<FileChannel> gone(Path file, NoSuchFileException e) {
        LOG.log(Level.DEBUG, file + " was deleted before it was locked", e);
        return Optional.empty();
    }

    /// @return what tells this file from another of its name; null where the system has no such thing, as on Windows,
    ///     which does not give a name away while the file is open
    private static Object inode(Path file) throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    private static void writePid(Path file, FileChannel channel) throws IOException {
        String pid = ProcessHandle.current().pid() + "\n";
        try {
            channel.truncate(0);
            channel.write(ByteBuffer.wrap(pid.getBytes(StandardCharsets.US_ASCII)), 0);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
    }

    private static String read(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(PID_BYTES);
        channel.read(bytes, 0);
        return new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII).strip();
    }

    private static IOException inUse(Path out, String pid) {
        return new IOException("the run at " + out + " is in use by process " + (pid.isEmpty() ? "(unknown)" : pid));
    }

    @Override
    public void close() throws IOException {
        try {
            channel.close();
        } finally {
            HELD.remove(key);
        }
    }
}
