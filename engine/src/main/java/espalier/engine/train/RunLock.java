package espalier.engine.train;

import espalier.engine.weights.DurableFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The lock of a run's folder: at most one process, and in it at most one holder. The system lifts it when the process
/// ends, however it ends. The file stays and holds the id of the process that took it last.
final class RunLock implements AutoCloseable {
    static final String NAME = "lock";

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
    /// @param run the folder to lock; exists
    static RunLock take(Path out, Path run) throws IOException {
        Path key = run.toRealPath();
        if (!HELD.add(key)) {
            throw inUse(out, Long.toString(ProcessHandle.current().pid()));
        }
        try {
            return new RunLock(key, lock(out, run.resolve(NAME)));
        } catch (Throwable e) {
            HELD.remove(key);
            throw e;
        }
    }

    private static FileChannel lock(Path out, Path file) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw DurableFiles.notWritable(file, e);
        }
        try {
            FileLock lock = channel.tryLock(POSITION, 1, false);
            if (lock == null) {
                throw inUse(out, read(channel));
            }
            writePid(file, channel);
            return channel;
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
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
