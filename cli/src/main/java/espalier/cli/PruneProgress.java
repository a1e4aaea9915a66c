package espalier.cli;

import espalier.engine.Progress;
import espalier.engine.prune.Notice;
import espalier.engine.prune.PruningWatch;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;

/// Shows how a pruning goes: a meter for each stage, then what a user should hear.
final class PruneProgress implements PruningWatch, AutoCloseable {
    private static final Logger LOG = System.getLogger("espalier.cli");

    private final Terminal terminal;
    private final Path target;
    private ProgressMeter meter;

    /// @param terminal whose error stream is written to
    /// @param target folder that will be written
    PruneProgress(Terminal terminal, Path target) {
        this.terminal = terminal;
        this.target = target;
    }

    @Override
    public Progress checking() {
        return next("bytes checked");
    }

    @Override
    public Progress scoring() {
        return next("layers scored");
    }

    private Progress next(String unit) {
        close();
        meter = new ProgressMeter(terminal, unit);
        return meter;
    }

    @Override
    public void chosen(List<Notice> notices) {
        close();
        notices.forEach(notice -> LOG.log(Level.WARNING, notice.message()));
        LOG.log(Level.INFO, "cutting, proving and writing " + target);
    }

    @Override
    public void close() {
        if (meter != null) {
            meter.close();
        }
    }
}
