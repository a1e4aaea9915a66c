package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.HtmlReport;
import espalier.cli.report.Report;
import espalier.cli.report.Run;
import espalier.engine.train.RunFolder;
import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.CannotWriteException;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.GracefulStop;
import espalier.engine.weights.SideFile;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/// What is around a training, whatever it trains: it is watched, ends well on a signal, and leaves a report.
///
/// @param terminal where progress is shown
/// @param run the run directory, claimed
/// @param out the folder around it
record TrainingRun(Terminal terminal, RunFolder run, Path out) {
    private static final String REPORT = "report.html";

    /// How long a process that is told to end may go on, to save its state.
    private static final Duration GRACE = Duration.ofSeconds(60);

    /// A training.
    @FunctionalInterface
    interface Job {
        /// @param watch told of steps, and asks to stop
        /// @return the result; nothing if it was asked to stop before its end
        Optional<ObjectNode> run(TrainingWatch watch) throws IOException;
    }

    /// @return the job's result; nothing if a signal asked it to stop
    Optional<ObjectNode> train(Job job) throws IOException {
        try (GracefulStop stop = GracefulStop.register(GRACE);
                TrainingMeter meter = new TrainingMeter(terminal, stop)) {
            Optional<ObjectNode> result = job.run(meter);
            if (result.isEmpty()) {
                // Once the stop is closed the process may end at any moment.
                meter.say(out + " has the state of the run up to now; --resume goes on");
            }
            return result;
        }
    }

    /// @param page written into the run directory
    void report(Report page) throws IOException {
        try {
            DurableFiles.replace(run.path().resolve(REPORT), SideFile.text(REPORT, HtmlReport.render(page)).content());
        } catch (CannotWriteException e) {
            throw new CannotWriteException(e.getMessage() + "; the model itself is complete", e);
        }
    }

    /// @param what was done, e.g. "Pruning"
    /// @return heading of its page
    String title(String what) {
        return what + " of " + out.toAbsolutePath().getFileName();
    }

    /// @param result its keys
    /// @return what the run directory holds, for a page
    Run held(ObjectNode result) throws IOException {
        return new Run(run.config(), run.changes(), run.metrics(), result);
    }
}
