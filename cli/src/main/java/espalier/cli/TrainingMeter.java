package espalier.cli;

import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.GracefulStop;

/// Shows how a training goes: on a terminal one line that is overwritten, else a line every few seconds.
final class TrainingMeter implements TrainingWatch, AutoCloseable {
    private final Terminal terminal;
    private final LiveLine line;
    private final GracefulStop stop;

    /// @param terminal whose error stream is written to
    /// @param stop asks the training to save its state and end
    TrainingMeter(Terminal terminal, GracefulStop stop) {
        this.terminal = terminal;
        this.line = new LiveLine(terminal, System::nanoTime);
        this.stop = stop;
    }

    @Override
    public void step(Step step) {
        if (!line.isDue() && step.step() < step.steps()) {
            return;
        }
        String validation =
                Double.isNaN(step.validationLoss()) ? "" : ", validation %.4f".formatted(step.validationLoss());
        String learningRate = Double.isNaN(step.learningRate()) ? "" : ", lr %.3g".formatted(step.learningRate());
        String skipped = step.skippedSteps() == 0 ? "" : ", %d skipped".formatted(step.skippedSteps());
        String beside = step.beside().isEmpty() ? "" : ", " + step.beside();
        line.show("step %d of %d: loss %.4f%s%s, gradient %.3g, %.0f tokens/s, %s left%s%s".formatted(
                step.step(),
                step.steps(),
                step.loss(),
                validation,
                learningRate,
                step.gradientNorm(),
                step.tokensPerSecond(),
                ProgressMeter.duration(step.secondsLeft()),
                skipped,
                beside));
    }

    @Override
    public void sample(long step, String text) {
        line.close();
        // One line, and nothing that a terminal would obey.
        terminal.err().println("step " + step + " writes: " + text.replaceAll("[\\s\\p{Cntrl}]+", " "));
    }

    @Override
    public void validating(long step, long done, long total) {
        if (line.isDue()) {
            line.show("step %d: validating, %d of %d sequences".formatted(step, done, total));
        }
    }

    @Override
    public void say(String message) {
        line.close();
        // Not through the log, whose handlers are gone once the process is told to end.
        terminal.err().println("warning: " + message);
    }

    @Override
    public boolean isStopRequested() {
        return stop.requested();
    }

    @Override
    public void close() {
        line.close();
    }
}
