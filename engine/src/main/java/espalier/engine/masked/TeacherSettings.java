package espalier.engine.masked;

/// Who teaches a NutePrune student (nuteprune.md §4).
///
/// @param mode which teachers there are
/// @param interval of expected sparsity between two snapshots, in (0, 1)
/// @param gap how many snapshots back the teacher is while the sparsity rises, positive
/// @param asReleased whether edge cases are as in the release: no run of fewer steps than snapshots, and a teacher that
///     stays where it is if the target is missed by a hair
public record TeacherSettings(Mode mode, double interval, int gap, boolean asReleased) {
    /// The release's: a snapshot for each percent, ten of them back.
    public static final TeacherSettings RELEASED = new TeacherSettings(Mode.NUMEROUS, 0.01, 10, false);

    /// Which teachers there are.
    public enum Mode {
        /// The whole model, always.
        INTACT,
        /// Snapshots that follow the student; at the target the last of these goes on teaching.
        PROGRESSIVE,
        /// The method: snapshots that follow the student, and at the target ever denser ones up to the whole model.
        NUMEROUS
    }

    /// Checks the ranges.
    public TeacherSettings {
        if (!(interval > 0 && interval < 1)) {
            throw new IllegalArgumentException(
                    "interval between teachers is " + interval + ", expected a number in (0, 1)");
        }
        if (gap < 1) {
            throw new IllegalArgumentException("gap of teachers must be positive, got " + gap);
        }
    }
}
