package espalier.cli;

import espalier.engine.prune.NormRule;
import java.util.Optional;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// How LLM-Pruner goes from scores to what stays, beyond the widths.
final class SelectionOptions {
    /// Which units compete.
    enum Ranking {
        /// Inside a group.
        LOCAL,
        /// All groups.
        GLOBAL
    }

    @Option(
            names = "--ranking",
            paramLabel = "local|global",
            converter = RankingConverter.class,
            defaultValue = "local",
            description = "Units compete inside their layer (default) or in the whole model.")
    private Ranking ranking;

    @Option(
            names = "--iterative-steps",
            paramLabel = "N",
            defaultValue = "1",
            description = "Prune in N steps, scored anew at each (default: 1).")
    private int steps;

    @Option(
            names = "--norm",
            paramLabel = "released|exact",
            converter = NormConverter.class,
            description = "In mode channel: leave norms as they are (default, as released), or correct them for the "
                    + "smaller width.")
    private NormRule norm;

    boolean isGlobal() {
        return ranking == Ranking.GLOBAL;
    }

    int steps() {
        return steps;
    }

    /// @return the rule, if one was given
    Optional<NormRule> norm() {
        return Optional.ofNullable(norm);
    }

    static final class RankingConverter implements ITypeConverter<Ranking> {
        @Override
        public Ranking convert(String value) {
            return switch (value) {
                case "local" -> Ranking.LOCAL;
                case "global" -> Ranking.GLOBAL;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a ranking; there are local and global");
            };
        }
    }

    static final class NormConverter implements ITypeConverter<NormRule> {
        @Override
        public NormRule convert(String value) {
            return switch (value) {
                case "released" -> NormRule.RELEASED;
                case "exact" -> NormRule.EXACT;
                default -> throw new TypeConversionException(
                        "'" + value + "' is not a rule for norms; there are released and exact");
            };
        }
    }
}
