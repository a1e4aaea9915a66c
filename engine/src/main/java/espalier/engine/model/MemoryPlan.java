package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import espalier.kernels.ScratchBytes;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// How much memory a run will need, part by part, from shapes alone: what is told before the work and checked against
/// the machine.
///
/// @param parts bytes by what they are for, in the order of a report
public record MemoryPlan(Map<String, Long> parts) {
    /// Code, classes, the heap of small objects, thread stacks: measured at start, rounded up.
    private static final long JVM = 256L << 20;
    /// A stack of memory grows in blocks of at most this size, so as much can lie unused.
    private static final long GROWTH = 64L << 20;
    /// And of at least this size.
    private static final long SMALLEST_GROWTH = 1L << 20;

    /// Copies the map, keeping its order.
    public MemoryPlan {
        parts = Collections.unmodifiableMap(new LinkedHashMap<>(parts));
    }

    /// A forward pass that keeps nothing: measuring and generating.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param tokens of the largest batch
    /// @param cachedPositions of the key/value cache; 0 for none
    /// @return the plan
    public static MemoryPlan inference(ModelShape shape, long weightBytes, int tokens, int cachedPositions) {
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", weightBytes);
        parts.put("activations", floats((long) tokens * (3L * shape.hidden() + 1 + layerWidth(shape))) + GROWTH);
        parts.put("logits", logits(shape, tokens));
        parts.put("kv_cache", cache(shape, cachedPositions));
        parts.put("kernels", kernels(shape, Math.max(tokens, cachedPositions), tokens).forward());
        parts.put("jvm", JVM);
        return new MemoryPlan(parts);
    }

    /// A training step whose base weights are frozen, or a scoring one.
    ///
    /// @param work what is run
    /// @param keep what a forward keeps, at least the layer inputs
    /// @param isPacked whether packed copies of the weights are held
    /// @return the plan, with the other parts that the work names
    public static MemoryPlan training(Workload work, Keep keep, boolean isPacked) {
        if (!keep.hasLayerInputs()) {
            throw new IllegalArgumentException("a backward needs at least the layer inputs");
        }
        ActivationBytes activations = new ActivationBytes(work);
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", work.weightBytes());
        if (isPacked) {
            parts.put("packed_weights", work.copyBytes());
        }
        parts.put("activations", activations.kept(keep));
        parts.put("temporaries", activations.peak(keep) - activations.kept(keep));
        work.others().forEach((name, bytes) -> parts.merge(name, bytes, Long::sum));
        parts.put("kernels", kernels(work.shape(), work.longest(), work.tokens()).training());
        parts.put("jvm", JVM);
        return new MemoryPlan(parts);
    }

    /// What operations keep with a thread for each processor, as many as are started unless a user says otherwise.
    private static ScratchBytes kernels(ModelShape shape, long keys, long rows) {
        List<LayerShape> layers = shape.layers();
        int headDim = layers.stream().mapToInt(LayerShape::headDim).max().orElse(0);
        int widest = layers.stream()
                .mapToInt(layer -> Math.max(layer.queryWidth(), layer.ffn()))
                .reduce(shape.hidden(), Math::max);
        return new ScratchBytes(Runtime.getRuntime().availableProcessors(), headDim, keys, rows, widest);
    }

    /// Adds a part.
    ///
    /// @param name what the bytes are for
    /// @param bytes how many
    /// @return this plan with that part
    public MemoryPlan with(String name, long bytes) {
        Map<String, Long> more = new LinkedHashMap<>(parts);
        more.merge(name, bytes, Long::sum);
        return new MemoryPlan(more);
    }

    /// @return bytes of all parts
    public long total() {
        return parts.values().stream().mapToLong(Long::longValue).sum();
    }

    /// @param available bytes that may be used
    /// @throws IllegalArgumentException listing the parts, if they are more
    public void require(long available) {
        if (total() > available) {
            String listed = parts.entrySet().stream()
                    .map(part -> "%s %,d".formatted(part.getKey(), part.getValue()))
                    .collect(Collectors.joining(", "));
            throw new IllegalArgumentException("not enough memory: the run needs %,d bytes (%s), available are %,d"
                    .formatted(total(), listed, available));
        }
    }

    /// Floats for each token that the forward of the widest layer takes: residual between the halves; norm, q, k, v,
    /// log-sums, attention output, its gated copy; norm, gate, up, their product; the output before the hidden gate.
    private static long layerWidth(ModelShape shape) {
        return shape.layers().stream().mapToLong(layer -> layerWidth(shape, layer)).max().orElse(0);
    }

    private static long layerWidth(ModelShape shape, LayerShape layer) {
        long hidden = shape.hidden();
        long attention = hidden + 1 + 3L * layer.queryWidth() + 2L * layer.kvWidth() + layer.heads();
        return 2 * hidden + attention + hidden + 1 + 3L * layer.ffn();
    }

    /// The cache grows with its sequence, so half of what it holds, or a block, can lie unused.
    private static long cache(ModelShape shape, int positions) {
        long bytes = KvCache.bytes(shape, positions);
        return grown(bytes);
    }

    /// @param bytes that are taken from a workspace of their own
    /// @return the most that it holds for them, as it grows in blocks
    public static long grown(long bytes) {
        return bytes == 0 ? 0 : bytes + Math.clamp(bytes, SMALLEST_GROWTH, GROWTH);
    }

    private static long logits(ModelShape shape, long tokens) {
        return floats(Math.min(tokens, LmHead.chunkRows(shape.vocab())) * shape.vocab());
    }

    private static long floats(long count) {
        return Math.multiplyExact(count, (long) Float.BYTES);
    }
}
