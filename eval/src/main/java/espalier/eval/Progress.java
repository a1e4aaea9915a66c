package espalier.eval;

/// Told how far a job is. Called from the thread that does the job.
@FunctionalInterface
public interface Progress {
    /// Tells nobody.
    Progress NONE = (done, total) -> {};

    /// @param done units of work done, rising
    /// @param total units of the whole job
    void at(long done, long total);
}
