package espalier.engine.prune;

import espalier.engine.model.LayerRange;
import espalier.engine.model.ModelShape;
import espalier.kernels.Check;
import java.util.List;

/// Which units compete with each other, and which may leave. LLM-Pruner (arXiv 2305.11627) and its release.
///
/// With `initial` and `current` channels of a group's root axis, a ratio `s` asks for
/// `n = current - (int) (initial * (1 - s))` channels, in double arithmetic; attention loses `n / headDim` units,
/// rounded down. Units with the smallest scores leave; of equal ones the lower index. A group that would lose its last
/// unit loses none.
///
/// `align` rounds the FFN channels that stay in a pruned layer to the nearest multiple, halves up, at least one
/// multiple. If that exceeds what the layer has, the largest multiple that it has stays, or, if it has less than one,
/// everything. A layer from which the ratio takes nothing stays as it is. 1 rounds nothing.
public sealed interface Selection {
    /// Each group for itself; the method's default.
    ///
    /// @param attention layers that may lose heads or key/value groups
    /// @param ffn layers that may lose FFN channels
    /// @param align multiple of kept FFN channels
    record Local(LayerRange attention, LayerRange ffn, int align) implements Selection {
        /// Checks ranges.
        public Local {
            Check.positive("align", align);
        }
    }

    /// All groups against each other, a head counting as much as an FFN channel: with `n` units to go, every unit whose
    /// score does not exceed the `n`-th smallest leaves.
    ///
    /// @param attention layers that may lose heads or key/value groups
    /// @param ffn layers that may lose FFN channels
    /// @param align multiple of kept FFN channels
    record Global(LayerRange attention, LayerRange ffn, int align) implements Selection {
        /// Checks ranges.
        public Global {
            Check.positive("align", align);
        }
    }

    /// Each group of every layer for itself, so that all layers keep the same widths and an ordinary configuration can
    /// describe the result. As some loaders demand that the number of query heads divides the hidden width, the next
    /// larger number that does is kept where the ratio's does not; if none does, all heads stay.
    ///
    /// @param align multiple of kept FFN channels
    record Uniform(int align) implements Selection {
        /// Checks ranges.
        public Uniform {
            Check.positive("align", align);
        }
    }

    /// Residual channels of the whole model.
    ///
    /// @param normRule what happens to norms
    record Channels(NormRule normRule) implements Selection {}

    /// What was chosen.
    ///
    /// @param plan what stays
    /// @param notices what a user should hear
    record Selected(PruningPlan plan, List<Notice> notices) {
        /// Copies the list.
        public Selected {
            notices = List.copyOf(notices);
        }
    }

    /// The ratio of one step of iterative pruning. Steps count relative to the initial widths, so they end where a
    /// single step would, unless that would take the last unit of a group: a single step leaves such a group whole.
    ///
    /// @param ratio final share to be cut
    /// @param step from 1 to `steps`
    /// @param steps number of steps
    /// @return the share that is to be gone after this step
    static double stepRatio(double ratio, int step, int steps) {
        if (step < 1 || step > steps) {
            throw new IllegalArgumentException("step must be in 1..%d, got %d".formatted(steps, step));
        }
        return (double) step / steps * ratio;
    }

    /// Chooses what stays in a model that has not been pruned before.
    ///
    /// @param ratio share of each group to be cut, in `[0, 1)`
    /// @param shape the model
    /// @param scores scores of at least the groups that may be pruned
    /// @return what was chosen
    default Selected select(double ratio, ModelShape shape, List<UnitScores> scores) {
        return select(ratio, shape, shape, scores);
    }

    /// Chooses what stays.
    ///
    /// @param ratio share of each group's initial channels to be gone afterwards, in `[0, 1)`
    /// @param initial the model before the first step
    /// @param current the model now, which the scores and the resulting plan belong to
    /// @param scores scores of at least the groups that may be pruned
    /// @return what was chosen
    /// @throws IllegalArgumentException if a ratio, range, shape or score does not fit
    default Selected select(double ratio, ModelShape initial, ModelShape current, List<UnitScores> scores) {
        return new Selector(this, initial, current, scores).select(ratio);
    }
}
