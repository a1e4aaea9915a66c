package espalier.engine.gates;

import espalier.kernels.Check;
import espalier.kernels.Philox;

/// Which draw of the gates. The same key gives the same gates on every machine, in any order, on any rank.
///
/// A draw is Philox of the seed, exclusive-or'ed with a constant of this use, and of a counter with a field for each
/// coordinate, so that no two draws of a run share one: index = step (high 32 bits), gate within its block; stream =
/// use, family (4 bits each), layer (24 bits), micro-batch (32 bits).
///
/// @param seed of the run
/// @param step optimiser steps done before, in `[0, 2^32)`
/// @param microBatch of the step, not negative
public record GateKey(long seed, long step, int microBatch) {
    /// "gates   " in ASCII.
    private static final long USE = 0x6761746573202020L;
    private static final long MOST_STEP = 0xFFFFFFFFL;
    private static final int USE_SHIFT = 60;
    private static final int FAMILY_SHIFT = 56;
    private static final int HALF = 32;

    /// @throws IllegalArgumentException naming what is out of range
    public GateKey {
        if (step < 0 || step > MOST_STEP) {
            throw new IllegalArgumentException("step of gates is %d, expected 0 to %d".formatted(step, MOST_STEP));
        }
        Check.notNegative("micro-batch of gates", microBatch);
    }

    /// The uniform draws of a block's gates.
    Philox draws(GateBlock block) {
        return new Philox(seed ^ USE, stream(block) | microBatch);
    }

    /// @param gate index within the block
    /// @return index of its draw
    long index(int gate) {
        return step << HALF | gate;
    }

    /// The noise that a block's log-alphas begin with; drawn once a run, by index within the block.
    static Philox noise(long seed, GateBlock block) {
        return new Philox(seed ^ USE, 1L << USE_SHIFT | stream(block));
    }

    private static long stream(GateBlock block) {
        return (long) block.family().stream() << FAMILY_SHIFT | (long) block.layer() << HALF;
    }
}
