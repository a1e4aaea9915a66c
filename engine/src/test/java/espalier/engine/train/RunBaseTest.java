package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.train.RunFolder.Opening;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Bases that are made before or within a run.
class RunBaseTest extends RunFolderCase {
    @Test
    void aClaimThatComesToNothingLeavesNothing() throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            assertTrue(Files.isDirectory(run.path()));
            assertThrows(IOException.class, () -> RunFolder.claim(out, Opening.NEW), "it is locked");
        }
        assertFalse(Files.exists(out));
    }

    @Test
    void aBaseIsMadeOnceAndKeptWithTheRun() throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            assertTrue(run.base(origin(0.25)).isEmpty());
            makeBase(run);
            run.baseMade(origin(0.75));
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertEquals(Optional.of(origin(0.75)), run.base(origin(0.25)));
            run.configure(config(8, 10), state -> {});
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertOtherBase(run, "--accept-changes goes on all the same");
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME_WITH_CHANGES)) {
            assertTrue(run.base(origin(0.5)).isEmpty());
            assertFalse(Files.exists(run.baseFolder()));
        }
        try (RunFolder run = RunFolder.claim(out, Opening.OVERWRITE)) {
            assertTrue(Files.exists(run.path().resolve("config.json")), "what is to be replaced stays at first");
            assertTrue(run.base(origin(0.25)).isEmpty());
            assertEquals(Set.of("lock", "base.json"), names(run.path()));
        }
    }

    private void assertOtherBase(RunFolder run, String hint) {
        var e = assertThrows(IllegalArgumentException.class, () -> run.base(origin(0.5)));
        assertEquals(
                "the run at " + out + " differs from this command: ratio is 0.5, was 0.25; " + hint, e.getMessage());
    }

    @ParameterizedTest
    @EnumSource(value = Opening.class, names = {"RESUME", "RESUME_WITH_CHANGES"})
    void aBaseThatWasTrainedOnStays(Opening opening) throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            run.base(origin(0.25));
            makeBase(run);
            run.baseMade(origin(0.75));
            run.configure(config(8, 10), state -> {});
            done(run, 1, 1);
        }
        try (RunFolder run = RunFolder.claim(out, opening)) {
            assertOtherBase(run, "only --overwrite starts again from another base");
            assertTrue(Files.exists(run.baseFolder().resolve("config.json")));
            assertEquals(Optional.of(origin(0.75)), run.base(origin(0.25)));
        }
    }

    @Test
    void aBaseThatWasKilledInTheMakingIsMadeAgain() throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            assertTrue(run.base(origin(0.25)).isEmpty());
            makeBase(run);
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertTrue(run.base(origin(0.25)).isEmpty());
            assertFalse(Files.exists(run.baseFolder()), "what is there may be another's");
        }
    }

    /// Begins the run in a base, and leaves it at step 3.
    private void leaveRunInBase(Opening opening) throws IOException {
        try (RunFolder run = RunFolder.claim(out, opening)) {
            assertTrue(run.baseOfRun(config(8, 10), state -> {}).isEmpty());
            try (RunFolder nested = run.claimBase()) {
                nested.configure(config(8, 10), state -> {});
                done(nested, 1, 3);
            }
        }
    }

    @Test
    void aRunInTheBaseGoesOnWhereItWasLeft() throws IOException {
        leaveRunInBase(Opening.NEW);
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertTrue(run.baseOfRun(config(8, 20), state -> {}).isEmpty(), "how often states are saved is free");
            try (RunFolder nested = run.claimBase()) {
                assertThrows(IOException.class, run::claimBase, "it is locked");
                nested.configure(config(8, 20), state -> assertEquals(3, state.step()));
                assertEquals(3, nested.latest().orElseThrow().step());
                nested.finish(origin(0.5));
            }
            run.baseMade(origin(0.75));
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertEquals(Optional.of(origin(0.75)), run.baseOfRun(config(8, 10), state -> {}));
        }
    }

    /// Other settings that its state does not fit are refused before anything is written.
    @Test
    void aRunInTheBaseIsCheckedBeforeItIsChanged() throws IOException {
        leaveRunInBase(Opening.NEW);
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME_WITH_CHANGES)) {
            assertThrows(IllegalArgumentException.class, () -> run.baseOfRun(config(4, 10), state -> {
                throw new IllegalArgumentException("step " + state.step());
            }));
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertTrue(run.baseOfRun(config(8, 10), state -> {}).isEmpty(), "it is as it was");
        }
    }

    @Test
    void aRunInTheBaseIsChangedOnlyWhereThatIsAccepted() throws IOException {
        leaveRunInBase(Opening.NEW);
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            var e = assertThrows(IllegalArgumentException.class, () -> run.baseOfRun(config(4, 10), state -> {}));
            assertEquals(
                    "the run at " + out + " differs from this command: lora.rank is 4, was 8; "
                            + "--accept-changes goes on all the same",
                    e.getMessage());
            assertTrue(run.baseOfRun(config(8, 10), state -> {}).isEmpty());
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME_WITH_CHANGES)) {
            assertTrue(run.baseOfRun(config(4, 10), state -> {}).isEmpty());
            try (RunFolder nested = run.claimBase()) {
                nested.configure(config(4, 10), state -> {});
                assertEquals(3, nested.latest().orElseThrow().step());
                assertEquals(3, nested.changes().getFirst().get("step").intValue());
            }
            run.baseMade(origin(0.75));
            run.configure(config(8, 10), state -> {});
            done(run, 1, 1);
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME_WITH_CHANGES)) {
            var e = assertThrows(IllegalArgumentException.class, () -> run.baseOfRun(config(8, 10), state -> {}));
            assertTrue(e.getMessage().endsWith("; only --overwrite starts again from another base"), e.getMessage());
            assertTrue(Files.exists(RunStateFile.path(run.baseFolder().resolve("run"), 3)));
        }
    }

    @Test
    void aRunInTheBaseKnowsItsMachineAndACompleteBaseDoesNot() throws IOException {
        ObjectNode json = config(8, 10).json();
        ((ObjectNode) json.get("machine")).put("lane_bits", 128);
        RunConfig elsewhere = new RunConfig(json, Set.of("output"));
        leaveRunInBase(Opening.NEW);
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME)) {
            assertTrue(run.baseOfRun(elsewhere, state -> {}).isEmpty());
            try (RunFolder nested = run.claimBase()) {
                var e = assertThrows(IllegalArgumentException.class, () -> nested.configure(elsewhere, state -> {}));
                assertEquals(
                        "the run at " + run.baseFolder() + " differs from this command: machine.lane_bits is 128, was "
                                + "256; --accept-changes goes on all the same",
                        e.getMessage());
            }
            run.baseMade(origin(0.75));
            assertEquals(Optional.of(origin(0.75)), run.baseOfRun(elsewhere, state -> {}));
        }
    }

    @ParameterizedTest
    @EnumSource(value = Opening.class, names = {"RESUME", "RESUME_WITH_CHANGES"})
    void aRunIsWithOrWithoutOneInItsBase(Opening opening) throws IOException {
        leaveRunInBase(Opening.NEW);
        try (RunFolder run = RunFolder.claim(out, opening)) {
            var e = assertThrows(IllegalArgumentException.class, () -> run.configure(config(8, 10), state -> {}));
            assertEquals(
                    "the run at " + out + " was begun with a run in its base, this command is without; only --overwrite"
                            + " starts again",
                    e.getMessage());
            e = assertThrows(IllegalArgumentException.class, () -> run.base(origin(0.25)));
            assertTrue(e.getMessage().contains("with a run in its base, this command is without"), e.getMessage());
            assertTrue(Files.exists(RunStateFile.path(run.baseFolder().resolve("run"), 3)));
        }
        open(Opening.OVERWRITE).close();
        try (RunFolder run = RunFolder.claim(out, opening)) {
            makeBase(run);
            var e = assertThrows(IllegalArgumentException.class, () -> run.baseOfRun(config(8, 10), state -> {}));
            assertEquals(
                    "the run at " + out + " was begun without a run in its base, this command is with one; only "
                            + "--overwrite starts again",
                    e.getMessage());
            assertTrue(Files.exists(run.baseFolder().resolve("config.json")));
        }
    }

    @Test
    void aBaseWithoutARunIsNotGoneOnWith() throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            assertTrue(run.base(origin(0.25)).isEmpty());
            makeBase(run);
        }
        try (RunFolder run = RunFolder.claim(out, Opening.RESUME_WITH_CHANGES)) {
            assertTrue(run.baseOfRun(config(8, 10), state -> {}).isEmpty());
            assertFalse(Files.exists(run.baseFolder()));
        }
        leaveRunInBase(Opening.OVERWRITE);
        try (RunFolder run = RunFolder.claim(out, Opening.OVERWRITE)) {
            assertTrue(run.baseOfRun(config(8, 10), state -> {}).isEmpty());
            assertFalse(Files.exists(run.baseFolder()));
        }
    }

    @Test
    void aBaseIsTheBeginningOfARun() throws IOException {
        try (RunFolder run = RunFolder.claim(out, Opening.NEW)) {
            run.base(origin(0.25));
            makeBase(run);
        }
        assertRefused(
                Opening.NEW, "has an unfinished run (step 0); --resume continues it, --overwrite starts again");
        assertEquals(Set.of("lock", "base.json", "base"), names(out.resolve("run")));
        assertFresh(Opening.OVERWRITE);
    }
}
