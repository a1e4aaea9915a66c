package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Dropout;

/// Dropout on what trained adapters read, as PEFT's `lora_dropout`: `y += scale * B (A dropout(x))`, each projection
/// with a mask of its own. Adapters that are not trained read `x` as it is.
///
/// Masks are made again from their key in the backward (see [Dropout]). A token's mask depends on its sequence's row in
/// the whole batch of a step and on its position there, so a batch cut into micro-batches is masked as it is whole.
/// One projection's input at a time is held a second time, `[tokens, in]`, in the forward and in the backward.
///
/// @param probability that an element is dropped, in `[0, 65535/65536]`, rounded to a multiple of 1/65536
/// @param seed of the run
/// @param step of the training, in `[0, 2^32)`: another one gives other masks
/// @param firstRow row in the whole batch of the first sequence of this pass's [Batch]
public record AdapterDropout(double probability, long seed, long step, int firstRow) {
    /// Nothing is dropped.
    public static final AdapterDropout NONE = new AdapterDropout(0, 0, 0, 0);

    /// Checks the ranges.
    public AdapterDropout {
        new Dropout(probability, seed, step, 0, 0);
        Check.notNegative("first row of a dropout", firstRow);
    }

    /// @return whether anything may be dropped
    public boolean isOn() {
        return probability > 0;
    }

    /// @param layer index of the layer
    /// @param site the projection
    /// @return the key of its mask
    Dropout key(int layer, Site site) {
        return new Dropout(probability, seed, step, layer, number(site));
    }

    /// Part of what makes the masks, so a projection's number never changes.
    private static int number(Site site) {
        return switch (site) {
            case Q_PROJ -> 0;
            case K_PROJ -> 1;
            case V_PROJ -> 2;
            case O_PROJ -> 3;
            case GATE_PROJ -> 4;
            case UP_PROJ -> 5;
            case DOWN_PROJ -> 6;
        };
    }
}
