package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/// A file of JSON objects, one a line, that only grows. A line counts once its line feed is there, so a process that
/// was killed while it wrote leaves nothing but whole lines and a rest that is not read.
public final class JsonLines implements AutoCloseable {
    private static final Logger LOG = System.getLogger(JsonLines.class.getName());

    private final Path file;
    private final FileChannel channel;

    private JsonLines(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
    }

    /// Opens a file to append to it.
    ///
    /// @param file is created if it does not exist; a half-written last line is cut off
    /// @return to be closed
    /// @throws CannotWriteException if it cannot be opened
    public static JsonLines open(Path file) throws CannotWriteException {
        try {
            FileChannel channel = FileChannel.open(
                    file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try {
                long whole = wholeBytes(Files.readAllBytes(file));
                channel.truncate(whole);
                channel.position(whole);
                return new JsonLines(file, channel);
            } catch (Throwable e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
    }

    /// Appends a line. The system has it afterwards, the disk after [#force]. A number that is not finite becomes a
    /// text, as JSON has none.
    ///
    /// @param object the line
    /// @throws CannotWriteException if it cannot be written; then the file is as it was
    public void append(ObjectNode object) throws CannotWriteException {
        ByteBuffer line = ByteBuffer.wrap((object + "\n").getBytes(StandardCharsets.UTF_8));
        try {
            long before = channel.position();
            try {
                while (line.hasRemaining()) {
                    channel.write(line);
                }
            } catch (IOException e) {
                channel.truncate(before);
                throw e;
            }
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
    }

    /// Waits until the disk has all lines.
    ///
    /// @throws CannotWriteException if it does not take them
    public void force() throws CannotWriteException {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    /// Reads all whole lines.
    ///
    /// @param file may be absent, which reads as no line
    /// @return the objects, in order
    /// @throws CheckpointException naming file and line if one is not a JSON object
    /// @throws IOException if the file cannot be read
    public static List<ObjectNode> read(Path file) throws IOException {
        List<ObjectNode> objects = new ArrayList<>();
        if (Files.exists(file)) {
            for (Line line : lines(file)) {
                objects.add(line.parse());
            }
        }
        return objects;
    }

    /// Reads the lines that [#keepWhile] would keep.
    ///
    /// @param file may be absent, which reads as no line
    /// @param wanted decides
    /// @return the objects, in order
    /// @throws CheckpointException as [#keepWhile]
    /// @throws IOException if the file cannot be read
    public static List<ObjectNode> readWhile(Path file, Predicate<ObjectNode> wanted) throws IOException {
        return Files.exists(file) ? firstWanted(file, wanted).objects() : List.of();
    }

    /// Cuts a file before the first line that is not wanted. What the disk was not made to take may be anything after a
    /// power cut, so a line that is not a JSON object is not wanted either, unless a wanted one comes after it.
    ///
    /// @param file may be absent
    /// @param wanted decides
    /// @throws CheckpointException naming file and line if one before the cut is not a JSON object, but one after it is
    ///     and is wanted; then the file is as it was
    /// @throws IOException if the file cannot be read or cut
    public static void keepWhile(Path file, Predicate<ObjectNode> wanted) throws IOException {
        if (!Files.exists(file)) {
            return;
        }
        Wanted kept = firstWanted(file, wanted);
        kept.damage().ifPresent(e -> LOG.log(
                Level.WARNING, "what comes after the damage is cut off: " + e.getMessage()));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(kept.end());
            channel.force(true);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(file, e);
        }
    }

    /// The first lines of a file.
    ///
    /// @param objects those that are wanted
    /// @param end bytes of the file up to and with their last line feed
    /// @param damage of the line after them, if that is why they end
    private record Wanted(List<ObjectNode> objects, int end, Optional<CheckpointException> damage) {}

    private static Wanted firstWanted(Path file, Predicate<ObjectNode> wanted) throws IOException {
        List<Line> lines = lines(file);
        List<ObjectNode> objects = new ArrayList<>();
        Optional<CheckpointException> damage = Optional.empty();
        int end = 0;
        for (Line line : lines) {
            try {
                ObjectNode object = line.parse();
                if (!wanted.test(object)) {
                    break;
                }
                objects.add(object);
                end = line.end();
            } catch (CheckpointException e) {
                for (Line later : lines.subList(objects.size() + 1, lines.size())) {
                    if (later.isWanted(wanted)) {
                        throw e;
                    }
                }
                damage = Optional.of(e);
                break;
            }
        }
        return new Wanted(objects, end, damage);
    }

    /// A whole line.
    ///
    /// @param json without the line feed
    /// @param end bytes of the file up to and with the line feed
    /// @param label for messages
    private record Line(byte[] json, int end, String label) {
        ObjectNode parse() throws IOException {
            return StrictJson.parseObject(json, label);
        }

        boolean isWanted(Predicate<ObjectNode> wanted) throws IOException {
            try {
                return wanted.test(parse());
            } catch (CheckpointException e) {
                LOG.log(Level.DEBUG, "more damage", e);
                return false;
            }
        }
    }

    private static List<Line> lines(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        List<Line> lines = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\n') {
                lines.add(new Line(Arrays.copyOfRange(bytes, start, i), i + 1, file + " line " + (lines.size() + 1)));
                start = i + 1;
            }
        }
        return lines;
    }

    private static int wholeBytes(byte[] bytes) {
        int end = bytes.length;
        while (end > 0 && bytes[end - 1] != '\n') {
            end--;
        }
        return end;
    }
}
