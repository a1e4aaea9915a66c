package espalier.cli;

import com.sun.management.OperatingSystemMXBean;
import espalier.engine.model.KvCache;
import espalier.engine.model.ModelShape;
import espalier.engine.weights.LayerShape;
import java.lang.management.ManagementFactory;

/// Memory that running a model forward takes besides its weights, which stay mapped files.
///
/// @param activations bytes of hidden states, one layer's intermediate values and a piece of the logits
/// @param kvCache bytes of keys and values of one sequence
record RunMemory(long activations, long kvCache) {
    /// Pieces that a generator reads a prompt in, and sequences that are measured together, have about so many tokens.
    private static final int USUAL_TOKENS = 1024;

    private static final long LOGIT_BYTES = 64L << 20;

    /// @param shape the model
    /// @param tokens run at once
    /// @param positions of the key/value cache; 0 for none
    static RunMemory of(ModelShape shape, int tokens, int positions) {
        long hidden = shape.hidden();
        long widest = shape.layers().stream().mapToLong(layer -> floats(hidden, layer)).max().orElse(0);
        long perToken = 3 * hidden + 1 + widest;
        long logits = Math.max(LOGIT_BYTES, 16L * shape.vocab() * Float.BYTES);
        long allLogits = (long) tokens * shape.vocab() * Float.BYTES;
        return new RunMemory(
                tokens * perToken * Float.BYTES + Math.min(allLogits, logits), KvCache.bytes(shape, positions));
    }

    /// Norm, q, k, v, log-sums, attention output; norm, gate, up, their product; residual sums.
    private static long floats(long hidden, LayerShape layer) {
        long attention = hidden + 1 + 2L * layer.queryWidth() + 2L * layer.kvWidth() + layer.heads();
        return 2 * hidden + attention + hidden + 1 + 3L * layer.ffn();
    }

    /// @param shape the model
    /// @return what generating to the end of the context takes
    static RunMemory wholeContext(ModelShape shape) {
        return of(shape, Math.min(USUAL_TOKENS, shape.maxPositions()), shape.maxPositions());
    }

    long bytes() {
        return activations + kvCache;
    }

    /// @throws IllegalArgumentException if the machine, or the container, has less memory
    void requireAvailable() {
        requireAvailable(available());
    }

    /// @return bytes that the machine, or the container, has
    static long available() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize();
    }

    void requireAvailable(long available) {
        if (bytes() > available) {
            throw new IllegalArgumentException(
                    "not enough memory: the run needs %d bytes for activations and %d for keys and values, there are %d"
                            .formatted(activations, kvCache, available));
        }
    }
}
