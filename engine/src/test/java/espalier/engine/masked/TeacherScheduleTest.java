package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.masked.TeacherSettings.Mode;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.LongToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TeacherScheduleTest {
    private static final OptionalInt INTACT = OptionalInt.empty();

    /// What a run of so many steps chose.
    ///
    /// @param teachers of each step, -1 for the whole model
    /// @param takenAt steps with a snapshot
    private record Choices(List<Integer> teachers, List<Long> takenAt) {}

    private static TeacherSettings settings(Mode mode, boolean asReleased) {
        return new TeacherSettings(mode, 0.01, 10, asReleased);
    }

    private static TeacherSchedule schedule(double target) {
        return new TeacherSchedule(TeacherSettings.RELEASED, target);
    }

    /// A schedule that took all its snapshots and reaches its target now.
    private static TeacherSchedule reached(TeacherSettings settings, double target, long remaining) {
        TeacherSchedule schedule = new TeacherSchedule(settings, target);
        for (int i = 0; i < schedule.most(); i++) {
            assertTrue(schedule.record(target, remaining + schedule.most() - i));
        }
        assertFalse(schedule.isReached());
        assertFalse(schedule.record(target, remaining));
        assertTrue(schedule.isReached());
        return schedule;
    }

    private static Choices run(TeacherSchedule schedule, long from, long steps, LongToDoubleFunction expected) {
        Choices choices = new Choices(new ArrayList<>(), new ArrayList<>());
        for (long step = from; step < steps; step++) {
            choices.teachers.add(schedule.teacher(steps - step).orElse(-1));
            if (schedule.record(expected.applyAsDouble(step), steps - step)) {
                choices.takenAt.add(step);
            }
        }
        return choices;
    }

    private static OptionalInt of(int index) {
        return OptionalInt.of(index);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void followsARisingStudentTenSnapshotsBehind(boolean asReleased) {
        TeacherSchedule schedule = new TeacherSchedule(settings(Mode.NUMEROUS, asReleased), 0.5);
        List<Double> at = new ArrayList<>();
        for (int step = 0; step <= 500; step++) {
            double expected = step / 1000.0;
            long remaining = 2000 - step;
            OptionalInt teacher = schedule.teacher(remaining);
            switch (step) {
                case 99, 100 -> assertEquals(INTACT, teacher, "at " + expected);
                case 101 -> assertEquals(of(0), teacher, "once 0.10 is recorded");
                default -> {}
            }
            if (schedule.record(expected, remaining)) {
                assertEquals(at.size(), schedule.size() - 1);
                at.add(expected);
            }
            if (step == 300) {
                assertEquals(of(20), schedule.teacher(remaining - 1));
            }
            assertEquals(at.size(), schedule.size());
        }
        assertEquals(49, at.size());
        assertEquals(49, schedule.most());
        for (int i = 0; i < at.size(); i++) {
            assertEquals((i + 1) * 0.01, at.get(i), 0.00101, "snapshot " + i);
        }
        assertEquals(0.01, at.get(0), 1e-12);
        assertEquals(0.21, at.get(20), 0.00101);
        assertTrue(schedule.isReached());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void walksBackToTheWholeModelAtTheTarget(boolean asReleased) {
        TeacherSchedule half = reached(settings(Mode.NUMEROUS, asReleased), 0.5, 8000);
        assertEquals(49, half.size());
        assertEquals(of(40), half.teacher(8000));
        assertEquals(of(39), half.teacher(7999));
        assertEquals(of(0), half.teacher(1600));
        assertEquals(INTACT, half.teacher(1599));
        assertEquals(INTACT, half.teacher(1));

        TeacherSchedule fifth = reached(settings(Mode.NUMEROUS, asReleased), 0.2, 4000);
        assertEquals(19, fifth.size());
        assertEquals(of(10), fifth.teacher(4000));
        assertEquals(of(0), fifth.teacher(2000));
        assertEquals(INTACT, fifth.teacher(1999));
    }

    @Test
    void neverRecordsAgainOnceTheTargetIsReached() {
        TeacherSchedule schedule = reached(TeacherSettings.RELEASED, 0.5, 8000);
        assertFalse(schedule.record(0.1, 7999));
        assertFalse(schedule.record(0.9, 7998));
        assertEquals(new TeacherSchedule.State(49, true, 8000), schedule.state());
    }

    @Test
    void takesOneSnapshotAStepHoweverFarTheSparsityJumps() {
        TeacherSchedule schedule = schedule(0.05);
        for (int i = 0; i < 4; i++) {
            assertTrue(schedule.record(0.5, 10 - i), "step " + i);
        }
        assertFalse(schedule.isReached());
        assertFalse(schedule.record(0.5, 6));
        assertTrue(schedule.isReached());
    }

    @Test
    void aSparsityThatFallsAgainIsNotRecordedTwice() {
        TeacherSchedule schedule = schedule(0.5);
        assertTrue(schedule.record(0.011, 100));
        assertFalse(schedule.record(0.009, 99));
        assertFalse(schedule.record(0.012, 98));
        assertTrue(schedule.record(0.02, 97));
    }

    @ParameterizedTest
    @CsvSource({
        "0.5, 49, 49",
        "0.2, 19, 19",
        "0.29, 28, 27",
        "0.57, 56, 55",
        "0.58, 57, 56",
        "0.07, 6, 6",
        "0.295, 29, 28",
        "0.01, 0, 0",
        "0.015, 1, 0",
        "0.005, 0, 0",
        "0, 0, 0"
    })
    void countsTheThresholdsBelowTheTarget(double target, int robust, int released) {
        assertEquals(robust, schedule(target).most());
        assertEquals(released, new TeacherSchedule(settings(Mode.NUMEROUS, true), target).most());
        assertEquals(0, new TeacherSchedule(settings(Mode.INTACT, false), target).most());
    }

    @Test
    void everyWholePercentHasOneThresholdLessThanPercents() {
        for (int percent = 1; percent < 100; percent++) {
            assertEquals(percent - 1, schedule(percent / 100.0).most(), percent + "%");
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 7, 20, 49})
    void sharesFewStepsOutAmongTheTeachers(long remainingThen) {
        TeacherSchedule schedule = reached(TeacherSettings.RELEASED, 0.5, remainingThen);
        int last = 40;
        for (long remaining = remainingThen; remaining > 0; remaining--) {
            int expected = (int) Math.floor(remaining * 50.0 / remainingThen + 1e-9) - 10;
            int teacher = schedule.teacher(remaining).orElse(-1);
            assertEquals(Math.max(expected, -1), teacher, remaining + " of " + remainingThen);
            assertTrue(teacher <= last);
            last = teacher;
        }
        assertEquals(of(40), schedule.teacher(remainingThen));
        if (remainingThen >= 7) {
            assertEquals(INTACT, schedule.teacher(1));
        }
    }

    @Test
    void theReleaseDividesByZeroWithFewerStepsThanTeachers() {
        TeacherSchedule schedule = reached(settings(Mode.NUMEROUS, true), 0.5, 49);
        ArithmeticException e = assertThrows(ArithmeticException.class, () -> schedule.teacher(48));
        assertEquals(
                "the target sparsity was reached with 49 steps remaining for 50 teachers: the release divides by 0",
                e.getMessage());
        assertEquals(of(40), reached(settings(Mode.NUMEROUS, true), 0.5, 50).teacher(50));
    }

    @Test
    void floorsMakeTheFirstTeacherOfAWalkTheLastSnapshotAtMost() {
        TeacherSchedule schedule = reached(TeacherSettings.RELEASED, 0.5, 99);
        assertEquals(of(48), schedule.teacher(99));
        assertEquals(of(48), schedule.teacher(58));
        assertEquals(of(47), schedule.teacher(57));
        assertEquals(INTACT, schedule.teacher(9));
    }

    @Test
    void aTargetMissedByAHairIsReached() {
        LongToDoubleFunction student = step -> Math.min(step / 1000.0, 0.4951);
        TeacherSchedule schedule = schedule(0.5);
        Choices choices = run(schedule, 0, 2000, student);
        assertEquals(49, schedule.size());
        assertTrue(schedule.isReached());
        assertEquals(-1, choices.teachers.getLast());

        TeacherSchedule released = new TeacherSchedule(settings(Mode.NUMEROUS, true), 0.5);
        Choices stuck = run(released, 0, 2000, student);
        assertFalse(released.isReached());
        assertEquals(39, stuck.teachers.getLast());
    }

    @Test
    void aTargetMissedByMoreThanHalfAnIntervalIsNotReached() {
        TeacherSchedule schedule = schedule(0.5);
        run(schedule, 0, 2000, step -> Math.min(step / 1000.0, 0.4949));
        assertEquals(49, schedule.size());
        assertFalse(schedule.isReached());
        assertEquals(of(39), schedule.teacher(1));
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.05, 0.1})
    void theWholeModelTeachesTowardsATargetWithinTheGap(double target) {
        TeacherSchedule schedule = schedule(target);
        for (int step = 0; !schedule.isReached(); step++) {
            assertEquals(INTACT, schedule.teacher(4000 - step), "step " + step);
            schedule.record(step / 1000.0, 4000 - step);
        }
        assertEquals((int) Math.round(target * 100) - 1, schedule.size());
        assertEquals(INTACT, schedule.teacher(3800));
    }

    @Test
    void aTargetJustAboveTheGapHasATeacherWhileTheSparsityRises() {
        TeacherSchedule schedule = schedule(0.11);
        Choices choices = run(schedule, 0, 4000, step -> Math.min(step / 1000.0, 0.11));
        assertTrue(choices.teachers.contains(0));
    }

    @Test
    void aTargetOfOneIntervalIsReachedWithoutSnapshots() {
        TeacherSchedule schedule = schedule(0.01);
        assertFalse(schedule.record(0.0049, 100));
        assertFalse(schedule.isReached());
        assertFalse(schedule.record(0.0051, 99));
        assertTrue(schedule.isReached());
        assertEquals(INTACT, schedule.teacher(98));
    }

    @Test
    void anIntactTeacherIsAllThereIs() {
        TeacherSchedule schedule = new TeacherSchedule(settings(Mode.INTACT, false), 0.5);
        Choices choices = run(schedule, 0, 1000, step -> Math.min(step / 500.0, 0.5));
        assertEquals(List.of(), choices.takenAt);
        assertEquals(0, schedule.size());
        assertTrue(schedule.isReached());
        assertTrue(choices.teachers.stream().allMatch(teacher -> teacher == -1));
    }

    @Test
    void aProgressiveTeacherStaysWhereItIsAtTheTarget() {
        LongToDoubleFunction student = step -> Math.min(step / 1000.0, 0.5);
        TeacherSchedule progressive = new TeacherSchedule(settings(Mode.PROGRESSIVE, false), 0.5);
        Choices choices = run(progressive, 0, 2000, student);
        Choices method = run(schedule(0.5), 0, 2000, student);
        int rising = 496;
        assertEquals(method.teachers.subList(0, rising), choices.teachers.subList(0, rising));
        assertEquals(method.takenAt, choices.takenAt);
        assertTrue(progressive.isReached());
        assertTrue(choices.teachers.subList(rising, 2000).stream().allMatch(teacher -> teacher == 39));

        TeacherSchedule hurried = reached(settings(Mode.PROGRESSIVE, true), 0.5, 5);
        assertEquals(of(39), hurried.teacher(1));
    }

    @Test
    void aGapThatNothingFillsMakesTheWholeModelTheTeacher() {
        TeacherSettings endless = new TeacherSettings(Mode.NUMEROUS, 0.01, Integer.MAX_VALUE, false);
        Choices choices = run(new TeacherSchedule(endless, 0.5), 0, 1000, step -> Math.min(step / 500.0, 0.5));
        assertEquals(49, choices.takenAt.size());
        assertTrue(choices.teachers.stream().allMatch(teacher -> teacher == -1));
    }

    @Test
    void aGapOfOneMakesTheLastSnapshotTheTeacher() {
        TeacherSettings close = new TeacherSettings(Mode.NUMEROUS, 0.1, 1, false);
        TeacherSchedule schedule = new TeacherSchedule(close, 0.3);
        assertEquals(INTACT, schedule.teacher(10));
        assertTrue(schedule.record(0.1, 10));
        assertEquals(of(0), schedule.teacher(9));
        assertTrue(schedule.record(0.2, 9));
        assertEquals(of(1), schedule.teacher(8));
        assertFalse(schedule.record(0.249, 8));
        assertFalse(schedule.isReached());
        assertFalse(schedule.record(0.251, 6));
        assertEquals(of(1), schedule.teacher(6));
        assertEquals(of(1), schedule.teacher(5));
        assertEquals(of(1), schedule.teacher(4));
        assertEquals(of(0), schedule.teacher(3));
        assertEquals(of(0), schedule.teacher(2));
    }

    /// Through every phase, with a student that wavers, and from every step on.
    @ParameterizedTest
    @EnumSource(Mode.class)
    void goesOnFromASavedStateAsIfItHadNeverStopped(Mode mode) {
        LongToDoubleFunction student = step -> Math.min(step / 200.0, 0.3) + 0.004 * Math.sin(step);
        int steps = 180;
        TeacherSettings settings = settings(mode, false);
        TeacherSchedule whole = new TeacherSchedule(settings, 0.3);
        Choices expected = run(whole, 0, steps, student);
        assertTrue(whole.isReached());
        TeacherSchedule prefix = new TeacherSchedule(settings, 0.3);
        for (int stop = 0; stop < steps; stop++) {
            TeacherSchedule resumed = new TeacherSchedule(settings, 0.3);
            resumed.restore(prefix.state());
            assertEquals(prefix.state(), resumed.state());
            Choices rest = run(resumed, stop, steps, student);
            long from = stop;
            assertEquals(expected.teachers.subList(stop, steps), rest.teachers, "from step " + stop);
            assertEquals(expected.takenAt.stream().filter(step -> step >= from).toList(), rest.takenAt);
            assertEquals(whole.state(), resumed.state());
            prefix.record(student.applyAsDouble(stop), steps - stop);
        }
    }

    @Test
    void refusesWhatCannotBe() {
        TeacherSchedule schedule = schedule(0.5);
        assertRefused("expected sparsity is NaN, expected a finite number", () -> schedule.record(Double.NaN, 1));
        assertRefused("remaining steps must be positive, got 0", () -> schedule.record(0.1, 0));
        assertRefused("remaining steps must be positive, got 0", () -> schedule.teacher(0));
        assertRefused("target sparsity is NaN, expected a number in [0, 1)", () -> schedule(Double.NaN));
        assertRefused("target sparsity is 1.0, expected a number in [0, 1)", () -> schedule(1));
        assertRefused(
                "the state has 50 snapshots, expected at most 49",
                () -> schedule.restore(new TeacherSchedule.State(50, false, 0)));
        assertRefused(
                "the state has 48 snapshots and the target reached, expected 49",
                () -> schedule.restore(new TeacherSchedule.State(48, true, 10)));
        assertRefused(
                "number of snapshots must not be negative, got -1", () -> new TeacherSchedule.State(-1, false, 0));
        assertRefused(
                "steps that remained at the target are 0, expected at least 1",
                () -> new TeacherSchedule.State(49, true, 0));
        assertRefused(
                "steps that remained at the target are 7, expected 0 before it is reached",
                () -> new TeacherSchedule.State(9, false, 7));
        assertEquals(new TeacherSchedule.State(0, false, 0), schedule.state());
    }

    private static void assertRefused(String message, Runnable work) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, work::run).getMessage());
    }
}
