package espalier.engine.masked;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/// Where the snapshots of a run are.
public interface SnapshotStore {
    /// @param snapshot the next one, or one that was kept by a part of the run that is done again: then it takes its
    ///     place, and later ones are forgotten
    /// @throws IOException if it cannot be written
    void add(Snapshot snapshot) throws IOException;

    /// @param index of a snapshot that was kept
    /// @return it
    /// @throws IOException if it cannot be read
    Snapshot get(int index) throws IOException;

    /// @return keeps snapshots as long as the process lives
    static SnapshotStore inMemory() {
        List<Snapshot> kept = new ArrayList<>();
        return new SnapshotStore() {
            @Override
            public void add(Snapshot snapshot) {
                kept.subList(snapshot.index(), kept.size()).clear();
                kept.add(snapshot);
            }

            @Override
            public Snapshot get(int index) {
                return kept.get(index);
            }
        };
    }
}
