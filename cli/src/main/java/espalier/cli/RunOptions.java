package espalier.cli;

import espalier.engine.train.RunFolder;
import picocli.CommandLine.Option;

/// What to do with a run that is there already.
final class RunOptions {
    @Option(names = "--overwrite", description = "Start again where --out has a run or a checkpoint.")
    private boolean overwrite;

    @Option(
            names = "--resume",
            description = "Go on with the run in --out from its last saved state; the result has the same bits.")
    private boolean resume;

    @Option(
            names = "--accept-changes",
            description = "With --resume: go on although settings, data or machine differ, and record the differences.")
    private boolean acceptChanges;

    boolean overwrites() {
        return overwrite;
    }

    RunFolder.Opening opening() {
        if (overwrite && resume) {
            throw new IllegalArgumentException("--overwrite starts again and --resume goes on: expected one of them");
        }
        if (acceptChanges && !resume) {
            throw new IllegalArgumentException("--accept-changes needs --resume");
        }
        if (resume) {
            return acceptChanges ? RunFolder.Opening.RESUME_WITH_CHANGES : RunFolder.Opening.RESUME;
        }
        return overwrite ? RunFolder.Opening.OVERWRITE : RunFolder.Opening.NEW;
    }
}
