package espalier.engine.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Optional;

/// Where a run leaves what must outlive the process.
public interface RunRecord {
    /// @return the last saved state, if there is one
    /// @throws IOException if it cannot be read
    Optional<RunState> latest() throws IOException;

    /// @param state is on the disk afterwards; earlier ones may be gone
    /// @throws IOException if it cannot be written; then the earlier state is still there
    void save(RunState state) throws IOException;

    /// @param metrics of one step, a line
    /// @throws IOException if it cannot be written
    void append(ObjectNode metrics) throws IOException;

    /// Keeps nothing, for runs that may be lost.
    RunRecord NONE = new RunRecord() {
        @Override
        public Optional<RunState> latest() {
            return Optional.empty();
        }

        @Override
        public void save(RunState state) {}

        @Override
        public void append(ObjectNode metrics) {}
    };

    /// Keeps the last state as long as the process lives, and no metrics.
    ///
    /// @return the record, without a state
    static RunRecord inMemory() {
        return new RunRecord() {
            private Optional<RunState> last = Optional.empty();

            @Override
            public Optional<RunState> latest() {
                return last;
            }

            @Override
            public void save(RunState state) {
                last = Optional.of(state);
            }

            @Override
            public void append(ObjectNode metrics) {}
        };
    }
}
