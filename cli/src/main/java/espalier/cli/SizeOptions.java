package espalier.cli;

import espalier.engine.prune.SizeTarget;
import java.util.Optional;
import picocli.CommandLine.Option;

/// How much pruning removes: exactly one of three ways to say it.
final class SizeOptions {
    @Option(
            names = "--ratio",
            paramLabel = "R",
            description = "Share of heads and channels to cut in each pruned layer, in [0, 1).")
    private Double ratio;

    @Option(
            names = "--target-prunable",
            paramLabel = "F",
            description = "Instead: share of the prunable parameters to remove; the ratio is searched.")
    private Double prunable;

    @Option(
            names = "--target-total",
            paramLabel = "F",
            description = "Instead: share of all parameters to remove; the ratio is searched.")
    private Double total;

    boolean given() {
        return ratio != null || prunable != null || total != null;
    }

    /// @return the target, if exactly one option was given
    Optional<SizeTarget> target() {
        int given = (ratio == null ? 0 : 1) + (prunable == null ? 0 : 1) + (total == null ? 0 : 1);
        if (given != 1) {
            return Optional.empty();
        }
        if (ratio != null) {
            return Optional.of(new SizeTarget.GroupRatio(ratio));
        }
        return Optional.of(prunable != null ? new SizeTarget.Prunable(prunable) : new SizeTarget.Total(total));
    }
}
