package espalier.bench;

import java.io.IOException;

/// Steps of one kind, one after the other, on one batch.
interface MeasuredRun extends AutoCloseable {
    /// @return what was planned, in words
    String plan();

    /// @return multiplications and additions that a step needs; recomputation is not counted
    double usefulFlops();

    /// @return tokens of a step
    int tokens();

    /// Runs the steps and checks what they give.
    ///
    /// @param repeats how many
    /// @param watch told of each
    /// @throws IOException if something cannot be read
    /// @throws AssertionError if a step did not do what it should
    void run(int repeats, Watch watch) throws IOException;

    @Override
    void close();

    /// Told of steps.
    interface Watch {
        /// @param seconds it took
        /// @param loss what it gave
        void step(double seconds, double loss);
    }
}
