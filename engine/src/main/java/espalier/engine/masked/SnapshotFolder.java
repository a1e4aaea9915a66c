package espalier.engine.masked;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.DurableFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;

/// Snapshots on the disk, a file for each.
///
/// A file is on the disk, whole, before it has its name, so that a state of the run saved afterwards can count on it.
public final class SnapshotFolder implements SnapshotStore {
    private final Path folder;
    private final SnapshotOwner owner;

    /// What the header of a snapshot says.
    ///
    /// @param index of the run's snapshots, from 0
    /// @param step steps of the run done before
    /// @param expected expected sparsity of the gates
    /// @param realised share of prunable parameters that the masks remove
    /// @param bytes of the file
    /// @param rank of its adapters; empty if it has none
    public record Info(int index, long step, double expected, double realised, long bytes, OptionalInt rank) {}

    /// @param folder is made with the first snapshot; its parent must exist by then
    /// @param shape of the model that is masked
    /// @param model its [espalier.engine.model.ModelFolder#fingerprint]
    /// @param adapters sizes of the student's; empty if none are trained
    public SnapshotFolder(Path folder, ModelShape shape, String model, Optional<LoraSettings> adapters) {
        this.folder = folder;
        this.owner = new SnapshotOwner(shape, model, adapters);
    }

    /// Writes a snapshot, over the one of its index; later ones are deleted first.
    ///
    /// @throws IllegalArgumentException if it does not fit the model, or the one before is missing
    /// @throws CannotWriteException naming the file if it cannot be written
    @Override
    public void add(Snapshot snapshot) throws IOException {
        int index = snapshot.index();
        if (index > 0 && !Files.exists(SnapshotFile.path(folder, index - 1))) {
            throw new IllegalArgumentException(
                    "snapshot %d cannot be added: %s has no snapshot %d".formatted(index, folder, index - 1));
        }
        try {
            if (!Files.isDirectory(folder)) {
                Files.createDirectory(folder);
                DurableFiles.syncFolder(folder.toAbsolutePath().getParent());
            }
            // The last one first, so that there is never a gap.
            for (Path later : files(folder).reversed()) {
                if (SnapshotFile.index(later).orElseThrow() > index) {
                    Files.delete(later);
                }
            }
        } catch (IOException e) {
            throw DurableFiles.cannotWrite(folder, e);
        }
        SnapshotFile.write(SnapshotFile.path(folder, index), owner, snapshot);
    }

    /// Reads a snapshot; what it holds belongs to the caller.
    ///
    /// @throws CheckpointException naming the file if it is damaged, or not of this model and these adapters
    /// @throws IOException if it is missing or cannot be read
    @Override
    public Snapshot get(int index) throws IOException {
        return SnapshotFile.read(SnapshotFile.path(folder, index), owner);
    }

    /// Reads headers only: tensors are not looked at.
    ///
    /// @param folder with snapshots of any model; other files are passed over
    /// @return all in order
    /// @throws CheckpointException naming the file whose header is damaged
    /// @throws IOException if something cannot be read
    public static List<Info> list(Path folder) throws IOException {
        List<Info> infos = new ArrayList<>();
        for (Path file : files(folder)) {
            infos.add(SnapshotFile.info(file));
        }
        return infos;
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> SnapshotFile.index(file).isPresent())
                    .sorted(Comparator.comparingInt(file -> SnapshotFile.index(file).orElseThrow()))
                    .toList();
        }
    }
}
