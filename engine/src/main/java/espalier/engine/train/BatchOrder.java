package espalier.engine.train;

import espalier.kernels.Check;
import espalier.kernels.Philox;
import java.util.Arrays;

/// Which examples a step learns from: every epoch goes once through all of them, in an order of its own. The last batch
/// of an epoch is smaller where the size does not divide. A function of seed and step alone.
public final class BatchOrder {
    /// Tells these draws from other uses of the seed: "epoch" in ASCII, above the number of the epoch.
    private static final long STREAM = 0x65706f6368L << 24;

    private final int size;
    private final int batch;
    private final long seed;
    private long epoch = -1;
    private int[] order;

    /// @param size number of examples, positive
    /// @param batch examples of a step, positive
    /// @param seed decides the orders
    public BatchOrder(int size, int batch, long seed) {
        this.size = Check.positive("number of training examples", size);
        this.batch = Check.positive("batch", batch);
        this.seed = seed;
    }

    /// @return steps of an epoch
    public long stepsPerEpoch() {
        return (size + batch - 1L) / batch;
    }

    /// @param step steps done before
    /// @return indices of the examples, at least one and at most as many as the batch
    public int[] rows(long step) {
        long wanted = step / stepsPerEpoch();
        if (wanted != epoch) {
            order = new Philox(seed, STREAM + wanted).order(size, size - 1);
            epoch = wanted;
        }
        int from = Math.toIntExact(step % stepsPerEpoch() * batch);
        return Arrays.copyOfRange(order, from, Math.min(size, from + batch));
    }
}
