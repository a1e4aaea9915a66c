package espalier.cli;

import espalier.cli.report.DemoStage;
import espalier.cli.report.Wrapping;
import java.util.List;

/// The stages of the demo as text that fits a terminal of 80 columns: a row of numbers for each, with the change since
/// the first in percent, and below it what the model wrote.
final class DemoTable {
    static final int WIDTH = 78;

    private static final String ROW = "%-9s %10s%7s %9s%7s %10s%7s %8s%7s";
    private static final String INDENT = "  ";

    private DemoTable() {}

    static String render(List<DemoStage> stages) {
        DemoStage first = stages.getFirst();
        StringBuilder text = new StringBuilder();
        line(text, ROW.formatted("", "parameters", "", "weights", "", "perplexity", "", "tokens/s", ""));
        for (DemoStage stage : stages) {
            line(text, "");
            line(text, ROW.formatted(
                    stage.name(),
                    "%,d".formatted(stage.parameters()),
                    change(stage.parameters(), first.parameters(), stage == first),
                    "%.2f MB".formatted(stage.bytes() * 1e-6),
                    change(stage.bytes(), first.bytes(), stage == first),
                    "%.2f".formatted(stage.perplexity()),
                    change(stage.perplexity(), first.perplexity(), stage == first),
                    "%,.0f".formatted(stage.tokensPerSecond()),
                    change(stage.tokensPerSecond(), first.tokensPerSecond(), stage == first)));
            wrap(text, stage.sample());
        }
        return text.toString().stripTrailing();
    }

    private static String change(double value, double before, boolean isFirst) {
        return isFirst ? "" : " " + DemoStage.change(value, before);
    }

    private static void wrap(StringBuilder text, String sample) {
        Wrapping.lines(sample, WIDTH - INDENT.length()).forEach(line -> line(text, INDENT + line));
    }

    private static void line(StringBuilder text, String line) {
        text.append(line.stripTrailing()).append(System.lineSeparator());
    }
}
