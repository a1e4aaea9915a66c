package espalier.cli.report;

import java.util.Locale;

/// What was found about a model at one stage of the demo.
///
/// @param name `before`, `pruned` or `recovered`
/// @param parameters of the model
/// @param bytes of its stored weights
/// @param perplexity on text that nothing was learnt from
/// @param tokensPerSecond that it generates
/// @param sample what it makes of the prompt, the prompt included
public record DemoStage(
        String name, long parameters, long bytes, double perplexity, double tokensPerSecond, String sample) {
    /// @return by how much a number differs from another, e.g. `-29.1%`, from ten times it on as a factor, e.g. `x12`
    public static String change(double value, double before) {
        double factor = value / before;
        if (factor >= 10) {
            return String.format(Locale.ROOT, "x%.0f", factor);
        }
        double percent = 100 * (factor - 1);
        return String.format(Locale.ROOT, Math.abs(percent) < 99.95 ? "%+.1f%%" : "%+.0f%%", percent);
    }
}
