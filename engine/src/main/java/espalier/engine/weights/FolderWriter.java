package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Set;

/// Writes a folder, all or nothing.
///
/// Everything is written into a folder beside the target, handed to the disk, and renamed; a reader sees the old
/// folder or the new one, never a part. A crash leaves folders whose names begin with a dot and end in `.tmp`:
/// a new one that is not complete, or, between the two renames of a replacement, the complete old one.
public final class FolderWriter {
    private static final Logger LOG = System.getLogger(FolderWriter.class.getName());

    private FolderWriter() {}

    /// What a folder holds, so that nothing else is replaced by it.
    public enum Kind {
        /// A model.
        CHECKPOINT("a checkpoint", PretrainedConfig.FILE_NAME, List.of("model_type", "architectures")),
        /// A PEFT adapter.
        ADAPTER("an adapter", "adapter_config.json", List.of("peft_type")),
        /// A tokenizer and nothing else: models have one too.
        TOKENIZER(
                "a tokenizer",
                "tokenizer.json",
                List.of("model"),
                Set.of("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"));

        private final String description;
        private final String marker;
        private final List<String> fields;
        private final Set<String> only; // the names that a folder of this kind may have; any if empty

        Kind(String description, String marker, List<String> fields) {
            this(description, marker, fields, Set.of());
        }

        Kind(String description, String marker, List<String> fields, Set<String> only) {
            this.description = description;
            this.marker = marker;
            this.fields = fields;
            this.only = only;
        }

        /// @param folder any folder
        /// @return whether it looks like this kind: its marker is there and says so, since other programs have files of
        ///     that name too
        /// @throws IOException if the marker cannot be read
        public boolean isKindOf(Path folder) throws IOException {
            Path file = folder.resolve(marker);
            if (!Files.isRegularFile(file) || holdsMore(folder)) {
                return false;
            }
            try {
                ObjectNode json = StrictJson.readObject(file);
                return fields.stream().anyMatch(json::has);
            } catch (CheckpointException e) {
                LOG.log(Level.DEBUG, "not " + description + " folder", e);
                return false;
            }
        }

        private boolean holdsMore(Path folder) throws IOException {
            return !only.isEmpty()
                    && SideFiles.list(folder).stream()
                            .anyMatch(path -> !only.contains(path.getFileName().toString()));
        }

        /// @return the file that every folder of this kind has
        public String marker() {
            return marker;
        }
    }

    /// Writes the content of a folder.
    @FunctionalInterface
    interface Fill {
        void into(Path folder) throws IOException;
    }

    /// Writes a folder of a few files.
    ///
    /// @param target the folder; its parent must exist
    /// @param kind of the folder
    /// @param overwrite whether a folder of this kind that exists is replaced, after the new one is complete
    /// @param files what it holds
    /// @throws FileAlreadyExistsException if the target exists and may not be replaced, or is not of this kind
    /// @throws IOException naming the file and the cause if something cannot be written; then the target is as it was
    public static void write(Path target, Kind kind, boolean overwrite, List<SideFile> files) throws IOException {
        write(target, kind, overwrite, folder -> {
            for (SideFile file : files) {
                writeFile(folder, file);
            }
        }, folder -> {});
    }

    static void write(Path target, Kind kind, boolean overwrite, Fill fill, CheckpointWriter.FolderCheck check)
            throws IOException {
        Path absolute = target.toAbsolutePath();
        requireReplaceable(absolute, kind, overwrite);
        Path temporary = DurableFiles.temporarySibling(absolute);
        try {
            Unfinished.OF_PROCESS.begin(temporary);
            Files.createDirectory(temporary);
            fill.into(temporary);
            DurableFiles.syncTree(temporary);
            check.check(temporary);
            Unfinished.OF_PROCESS.publish(() -> publish(temporary, absolute, kind, overwrite));
        } catch (IOException e) {
            DurableFiles.deleteAfter(e, temporary);
            if (e instanceof FileAlreadyExistsException) {
                throw e;
            }
            throw DurableFiles.cannotWrite(target, e);
        } catch (RuntimeException | Error e) {
            DurableFiles.deleteAfter(e, temporary);
            throw e;
        } finally {
            Unfinished.OF_PROCESS.end(temporary);
        }
    }

    /// Checks, before long work, that a folder could be written.
    ///
    /// @param target the folder to write
    /// @param kind of the folder
    /// @param overwrite whether one that exists may be replaced
    /// @throws FileAlreadyExistsException if the target exists and may not be replaced, or is not of this kind
    /// @throws NoSuchFileException if the folder around it is missing
    /// @throws CannotWriteException if that cannot be written to
    public static void checkTarget(Path target, Kind kind, boolean overwrite) throws IOException {
        Path absolute = target.toAbsolutePath();
        requireReplaceable(absolute, kind, overwrite);
        Path parent = absolute.getParent();
        if (parent == null || !Files.isDirectory(parent)) {
            throw new NoSuchFileException(target.toString(), null, "the folder around it does not exist");
        }
        Path probe = DurableFiles.temporarySibling(absolute);
        try {
            Files.createDirectory(probe);
            Files.delete(probe);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(target, e);
        }
    }

    /// Refuses to replace what does not look like its kind: a mistyped target must not cost a home folder.
    private static void requireReplaceable(Path target, Kind kind, boolean overwrite) throws IOException {
        if (!Files.exists(target)) {
            return;
        }
        if (!overwrite) {
            throw new FileAlreadyExistsException(
                    target.toString(), null, "exists already; it is replaced only on demand");
        }
        boolean sameKind = Files.isDirectory(target)
                && (kind.isKindOf(target) || SideFiles.list(target).isEmpty());
        if (!sameKind) {
            throw new FileAlreadyExistsException(
                    target.toString(), null, "is not " + kind.description + " folder, so it is not replaced");
        }
    }

    static void writeFile(Path folder, SideFile file) throws IOException {
        Path path = folder.resolve(file.name());
        Files.createDirectories(path.getParent());
        try {
            DurableFiles.writeNew(path, file.content()::writeTo);
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(Path.of(file.name()), e);
        }
    }

    private static void publish(Path temporary, Path target, Kind kind, boolean overwrite) throws IOException {
        requireReplaceable(target, kind, overwrite);
        if (!Files.exists(target)) {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            DurableFiles.syncFolder(target.getParent());
            return;
        }
        Path old = DurableFiles.temporarySibling(target);
        Files.move(target, old, StandardCopyOption.ATOMIC_MOVE);
        try {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.move(old, target, StandardCopyOption.ATOMIC_MOVE);
            throw e;
        }
        DurableFiles.syncFolder(target.getParent());
        DurableFiles.deleteTree(old);
    }
}
