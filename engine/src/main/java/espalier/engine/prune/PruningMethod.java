package espalier.engine.prune;

import espalier.kernels.Check;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// How to choose what goes.
public sealed interface PruningMethod {
    /// LLM-Pruner, arXiv:2305.11627: units of groups leave by their scores.
    ///
    /// @param settings how units are scored and selected
    /// @param samples calibration data; present if and only if the scores need it
    /// @param scores file that scores are read from if it exists, else written to; excludes more than one step
    record ByGroups(LlmPruner.Settings settings, Optional<Samples> samples, Optional<Path> scores)
            implements PruningMethod {
        /// Checks that there are samples where they are needed, and one step where scores are kept.
        public ByGroups {
            if (scores.isPresent() && settings.steps() > 1) {
                throw new IllegalArgumentException("scores are computed anew at each of the " + settings.steps()
                        + " iterative steps, so they cannot be kept in " + scores.get());
            }
            boolean needed = settings.scoring().importance().needsCalibration();
            if (needed != samples.isPresent()) {
                throw new IllegalArgumentException("importance %s %s calibration samples, got %s".formatted(
                        settings.scoring().importance().label(),
                        needed ? "needs" : "takes no",
                        needed ? "none" : "some"));
            }
        }
    }

    /// LLM-Pruner's baseline: the first layers stay, whole.
    ///
    /// @param count how many layers stay, from 1 to all
    record FirstLayers(int count) implements PruningMethod {
        /// Checks the number.
        public FirstLayers {
            Check.positive("kept layers", count);
        }
    }

    /// Calibration samples of each step.
    ///
    /// @param count of sequences
    /// @param tokens of each
    /// @param calibration gives them; the same for the same step
    /// @param drawn how they were drawn, for the metadata of files
    record Samples(int count, int tokens, LlmPruner.Calibration calibration, Map<String, String> drawn) {
        /// Checks the numbers and copies the map.
        public Samples {
            Check.positive("samples", count);
            Check.positive("tokens", tokens);
            drawn = new TreeMap<>(drawn);
        }
    }
}
