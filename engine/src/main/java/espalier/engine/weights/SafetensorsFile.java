package espalier.engine.weights;

import espalier.bindings.MappedMemory;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;

/// One safetensors file, mapped read-only; any thread may read it until [#close].
///
/// The header is validated before anything is taken from it; the format is described at
/// <https://github.com/huggingface/safetensors>.
///
/// A mapped file can change under its readers. If it shrinks, reading the pages that are gone raises [InternalError]
/// from `MemorySegment.get`, `MemorySegment.copy` and `ByteBuffer.put`, which [#guarded] turns into a message; but
/// **compiled vector loads and `MemorySegment.mismatch` end the process** (measured on JDK 25.0.3), and what is left
/// of the last page reads as zeros. So call [#verifyUnchanged] before long work, and copy the tensors where files
/// are not to be trusted to stay.
public final class SafetensorsFile implements AutoCloseable {
    private final Path path;
    private final Arena arena;
    private final MemorySegment data;
    private final SafetensorsHeader header;
    private final Map<String, TensorInfo> byName;
    private final BasicFileAttributes opened;

    private SafetensorsFile(
            Path path, Arena arena, MemorySegment data, SafetensorsHeader header, BasicFileAttributes opened) {
        this.path = path;
        this.arena = arena;
        this.data = data;
        this.header = header;
        this.opened = opened;
        this.byName = HashMap.newHashMap(header.tensors().size());
        header.tensors().forEach(tensor -> byName.put(tensor.name(), tensor));
    }

    /// Maps a file after checking all of its header.
    ///
    /// @throws CheckpointException if the content breaks a rule of the format
    /// @throws IOException if the file cannot be read
    public static SafetensorsFile open(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        if (!attributes.isRegularFile()) {
            throw CheckpointException.in(file, "is not a regular file");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            StrictJson.refuseLfsPointer(file, read(channel, 0, (int) Math.min(size, 64)));
            long headerBytes = headerBytes(file, channel, size);
            long dataStart = SafetensorsHeader.PREFIX_BYTES + headerBytes;
            byte[] json = read(channel, SafetensorsHeader.PREFIX_BYTES, (int) headerBytes);
            SafetensorsHeader header = SafetensorsHeader.parse(file, json, size - dataStart);
            MemorySegment mapping = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            return new SafetensorsFile(file, arena, mapping.asSlice(dataStart), header, attributes);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    private static long headerBytes(Path file, FileChannel channel, long size) throws IOException {
        if (size < SafetensorsHeader.PREFIX_BYTES) {
            throw CheckpointException.in(file, "has " + size + " bytes, expected at least 8: the header's length");
        }
        byte[] prefix = read(channel, 0, SafetensorsHeader.PREFIX_BYTES);
        long length = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length < 0 || length > SafetensorsHeader.MAX_BYTES) {
            throw CheckpointException.in(file, "declares a header of " + Long.toUnsignedString(length)
                    + " bytes, expected at most " + SafetensorsHeader.MAX_BYTES + "; is it a safetensors file?");
        }
        if (length > size - SafetensorsHeader.PREFIX_BYTES) {
            throw CheckpointException.in(file, "declares a header of " + length + " bytes, but only "
                    + (size - SafetensorsHeader.PREFIX_BYTES) + " bytes follow; the file is cut short");
        }
        return length;
    }

    private static byte[] read(FileChannel channel, long position, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, position + bytes.position()) < 0) {
                throw new EOFException("the file ended at " + (position + bytes.position()) + " while it was read");
            }
        }
        return bytes.array();
    }

    /// The file, as it was given to [#open].
    public Path path() {
        return path;
    }

    /// The `__metadata__` entries in their order; empty where there are none.
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /// All tensors in the order of their data.
    public Collection<TensorInfo> tensors() {
        return header.tensors();
    }

    /// The tensor of this name.
    public Optional<TensorInfo> find(String name) {
        return Optional.ofNullable(byName.get(name));
    }

    /// The tensor of this name with its data.
    ///
    /// @throws CheckpointException if there is none
    public StoredTensor tensor(String name) {
        TensorInfo info = find(name).orElseThrow(() -> CheckpointException.in(
                path, "has no tensor " + name + " among its " + header.tensors().size()));
        return new StoredTensor(info.name(), path, info.type(), info.shape(), data(info));
    }

    /// The bytes of a tensor: a read-only slice of the mapping, valid until [#close], aligned to nothing.
    ///
    /// @param tensor one of [#tensors]
    public MemorySegment data(TensorInfo tensor) {
        return data.asSlice(tensor.begin(), tensor.bytes());
    }

    /// Checks that the file still has the size and the time of modification that it had when it was opened.
    ///
    /// A file that was deleted, or replaced by another of its name, passes: the mapping keeps the old one alive.
    ///
    /// @throws CheckpointException if it changed in place
    /// @throws IOException if its attributes cannot be read
    public void verifyUnchanged() throws IOException {
        BasicFileAttributes now;
        try {
            now = Files.readAttributes(path, BasicFileAttributes.class);
        } catch (NoSuchFileException deleted) {
            return;
        }
        if (!Objects.equals(now.fileKey(), opened.fileKey())) {
            return;
        }
        if (now.size() != opened.size()) {
            throw CheckpointException.in(path, "changed while it was open: it has " + now.size() + " bytes, expected "
                    + opened.size());
        }
        if (!now.lastModifiedTime().equals(opened.lastModifiedTime())) {
            throw CheckpointException.in(path, "changed while it was open: it was modified at "
                    + now.lastModifiedTime() + ", expected " + opened.lastModifiedTime());
        }
    }

    /// Lets the pages that were read so far leave this process. The system keeps them cached, and they come back when
    /// they are read again; what a scan of the whole file touched no longer counts as memory in use.
    public void releasePages() {
        MappedMemory.advise(data, MappedMemory.Advice.DONT_NEED);
    }

    /// Does work that reads the mapping of `file` by `get` or `copy`, with the fault that a shrunken file causes
    /// turned into an exception.
    ///
    /// @throws CheckpointException naming the file, if its pages could not be read
    public static <T> T guarded(Path file, Supplier<T> work) {
        try {
            return work.get();
        } catch (InternalError e) {
            throw unreadable(file, e);
        }
    }

    static CheckpointException unreadable(Path file, InternalError e) {
        return new CheckpointException(
                file + ": could not be read where it is mapped; did it shrink, or its disk fail? (" + e.getMessage()
                        + ")",
                e);
    }

    /// Unmaps the file; segments from [#data] must not be in use.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
