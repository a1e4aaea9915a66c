package espalier.engine.masked;

import java.util.OptionalInt;

/// When a student's snapshots are taken, and which of them teaches a step: the state machine of NutePrune (Li et al.
/// 2024, arXiv:2402.09773) as its code has it. It knows numbers alone; a [SnapshotStore] has the snapshots.
///
/// While the sparsity rises, a snapshot is taken whenever the expected sparsity passes the next multiple of the
/// interval below the target, one a step at most, and the teacher is `gap` snapshots back, the last one counted; the
/// whole model teaches until there are so many. Once all are taken and the target is reached, with Q steps remaining
/// and R snapshots, each teacher has its share `q = floor(Q / (R + 1))` of these steps: the index of the teacher is
/// `min(floor(remaining / q) - gap, R - 1)`, which falls, and the whole model teaches below 0.
///
/// What the release leaves open or gets wrong at the edges is settled so, unless the settings ask for the release:
///
/// - Multiples of the interval below the target are counted up to the rounding error of the quotient, and where the
///   target is none itself, the last one below it counts. The release cuts the quotient to an integer, so that 0.29 /
///   0.01 makes 27 thresholds, not 28.
/// - With fewer steps remaining than teachers q is 0, by which the release divides; here the exact quotient `Q / (R +
///   1)` takes its place, so that the steps are shared out as evenly as they can be and some teachers have none.
/// - The target counts as reached half an interval below it, where the student is nearer to the target than to the
///   threshold before. The multipliers hold the sparsity at the target only about, so that it may stay a hair below; in
///   the release the teacher then never gets denser again.
/// - With a target of at most `gap` intervals no snapshot teaches while the sparsity rises, here as in the release: the
///   whole model is no further away from the student than the teachers of other runs are. At the target a snapshot does
///   so only where the floors leave it steps.
public final class TeacherSchedule {
    /// Of the quotient of target and interval: far above its rounding error, far below what anyone asks for.
    private static final double ROUNDING = 1e-6;

    private final TeacherSettings settings;
    private final int most;
    private final double reachedFrom;
    private int snapshots;
    private boolean reached;
    private long remainingThen;

    /// What changes in a run.
    ///
    /// @param snapshots taken so far
    /// @param isReached whether the target was reached
    /// @param remainingThen steps that remained when it was, that one included; 0 before
    public record State(int snapshots, boolean isReached, long remainingThen) {
        /// Checks the ranges.
        public State {
            if (snapshots < 0) {
                throw new IllegalArgumentException("number of snapshots must not be negative, got " + snapshots);
            }
            if (isReached ? remainingThen < 1 : remainingThen != 0) {
                throw new IllegalArgumentException("steps that remained at the target are %d, expected %s".formatted(
                        remainingThen, isReached ? "at least 1" : "0 before it is reached"));
            }
        }
    }

    /// @param settings who teaches
    /// @param target final sparsity, in `[0, 1)`
    public TeacherSchedule(TeacherSettings settings, double target) {
        if (!(target >= 0 && target < 1)) {
            throw new IllegalArgumentException("target sparsity is " + target + ", expected a number in [0, 1)");
        }
        this.settings = settings;
        this.most = settings.mode() == TeacherSettings.Mode.INTACT ? 0 : thresholds(settings, target);
        this.reachedFrom = settings.asReleased() ? target : target - settings.interval() / 2;
    }

    private static int thresholds(TeacherSettings settings, double target) {
        double quotient = target / settings.interval();
        if (settings.asReleased()) {
            return Math.max(0, (int) quotient - 1);
        }
        double nearest = Math.rint(quotient);
        double intervals = Math.abs(quotient - nearest) <= ROUNDING ? nearest : Math.ceil(quotient);
        return Math.max(0, (int) intervals - 1);
    }

    /// @param remaining steps of the run, the one to be taught included, positive
    /// @return index of the snapshot that teaches it; empty for the whole model
    /// @throws ArithmeticException as released only: if fewer steps remained at the target than there are teachers
    public OptionalInt teacher(long remaining) {
        requirePositive(remaining);
        long index = reached && settings.mode() == TeacherSettings.Mode.NUMEROUS
                ? Math.min(sharesLeft(remaining) - settings.gap(), snapshots - 1L)
                : (long) snapshots - settings.gap();
        return index < 0 ? OptionalInt.empty() : OptionalInt.of((int) index);
    }

    /// @return whole shares of a teacher in the steps that remain
    private long sharesLeft(long remaining) {
        long teachers = snapshots + 1L;
        long share = remainingThen / teachers;
        if (share > 0) {
            return remaining / share;
        }
        if (settings.asReleased()) {
            throw new ArithmeticException(
                    "the target sparsity was reached with %d steps remaining for %d teachers: the release divides by 0"
                            .formatted(remainingThen, teachers));
        }
        return remaining * teachers / remainingThen;
    }

    /// Takes note of a step's sparsity.
    ///
    /// @param expected expected sparsity of the gates before the optimiser's step, for steps with a finite loss only
    /// @param remaining steps of the run, this one included, positive
    /// @return whether a snapshot is to be taken now, of index `size() - 1`
    public boolean record(double expected, long remaining) {
        if (!Double.isFinite(expected)) {
            throw new IllegalArgumentException("expected sparsity is " + expected + ", expected a finite number");
        }
        requirePositive(remaining);
        if (snapshots < most) {
            boolean passed = expected >= (snapshots + 1) * settings.interval();
            snapshots += passed ? 1 : 0;
            return passed;
        }
        if (!reached && expected >= reachedFrom) {
            reached = true;
            remainingThen = remaining;
        }
        return false;
    }

    private static void requirePositive(long remaining) {
        if (remaining < 1) {
            throw new IllegalArgumentException("remaining steps must be positive, got " + remaining);
        }
    }

    /// @return snapshots taken so far
    public int size() {
        return snapshots;
    }

    /// @return whether the target was reached
    public boolean isReached() {
        return reached;
    }

    /// @return snapshots that a run takes if it reaches its target
    public int most() {
        return most;
    }

    /// @return what a run needs to go on
    public State state() {
        return new State(snapshots, reached, remainingThen);
    }

    /// @param state of a schedule with the same settings and target
    /// @throws IllegalArgumentException if it cannot be
    public void restore(State state) {
        if (state.snapshots() > most || (state.isReached() && state.snapshots() < most)) {
            throw new IllegalArgumentException("the state has %d snapshots%s, expected %s%d".formatted(
                    state.snapshots(),
                    state.isReached() ? " and the target reached" : "",
                    state.isReached() ? "" : "at most ",
                    most));
        }
        snapshots = state.snapshots();
        reached = state.isReached();
        remainingThen = state.remainingThen();
    }
}
