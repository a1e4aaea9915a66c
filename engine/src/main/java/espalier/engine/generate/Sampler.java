package espalier.engine.generate;

import espalier.kernels.Check;
import espalier.kernels.Philox;
import java.util.Arrays;

/// Picks tokens from logits.
///
/// A pick is a function of logits, options and position alone: probabilities are float64 with StrictMath and the
/// random number of a position comes from a counter, so that a generation can be repeated, also from its middle.
public final class Sampler {
    /// Keeps these draws apart from other uses of the same seed.
    private static final long STREAM = 0x73616d706c65L;

    private final SamplingOptions options;
    private final Philox random;

    /// @param options how to pick
    public Sampler(SamplingOptions options) {
        this.options = options;
        this.random = new Philox(options.seed(), STREAM);
    }

    /// @param logits `[vocab]`, read
    /// @param candidates only ids below this are picked; more logits belong to padding of the vocabulary
    /// @param position of the picked token in its sequence
    /// @return the id
    /// @throws ArithmeticException if a logit is NaN or infinite, naming the id
    public int pick(float[] logits, int candidates, long position) {
        Check.positive("candidates", candidates);
        int largest = 0;
        for (int id = 0; id < candidates; id++) {
            if (!Float.isFinite(logits[id])) {
                throw new ArithmeticException(
                        "the logit of token id %d at position %d is %s".formatted(id, position, logits[id]));
            }
            if (logits[id] > logits[largest]) {
                largest = id;
            }
        }
        return options.isGreedy() ? largest : sample(logits, candidates, logits[largest], random.uniform(position));
    }

    private int sample(float[] logits, int candidates, double largest, double uniform) {
        int[] ids = byProbability(logits, candidates);
        int count = options.topK() > 0 ? Math.min(options.topK(), candidates) : candidates;
        double[] cumulative = new double[count];
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += StrictMath.exp((logits[ids[i]] - largest) / options.temperature());
            cumulative[i] = sum;
        }
        int kept = firstReaching(cumulative, count, options.topP() * sum) + 1;
        return ids[firstAbove(cumulative, kept, uniform * cumulative[kept - 1])];
    }

    /// Most probable first; of equal ones the smaller id first.
    private static int[] byProbability(float[] logits, int candidates) {
        long[] keys = new long[candidates];
        for (int id = 0; id < candidates; id++) {
            int bits = Float.floatToIntBits(logits[id] + 0f);
            int ascending = bits ^ (bits >> 31 & Integer.MAX_VALUE);
            keys[id] = (long) ~ascending << 32 | id;
        }
        Arrays.sort(keys);
        int[] ids = new int[candidates];
        for (int i = 0; i < candidates; i++) {
            ids[i] = (int) keys[i];
        }
        return ids;
    }

    private static int firstReaching(double[] cumulative, int count, double bound) {
        int i = 0;
        while (i < count - 1 && cumulative[i] < bound) {
            i++;
        }
        return i;
    }

    /// Strictly above, so that a probability that underflowed to 0 is never picked.
    private static int firstAbove(double[] cumulative, int count, double bound) {
        int i = 0;
        while (i < count - 1 && cumulative[i] <= bound) {
            i++;
        }
        return i;
    }
}
