package espalier.engine.model;

import espalier.engine.weights.LayerShape;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/// How much memory a run will need, part by part, from shapes alone: what is told before the work and checked against
/// the machine.
///
/// @param parts bytes by what they are for, in the order of a report
public record MemoryPlan(Map<String, Long> parts) {
    /// Code, classes, the heap of small objects, thread stacks: measured at start, rounded up.
    private static final long JVM = 256L << 20;
    /// Packed panels and blocks of attention scores of all threads.
    private static final long KERNELS = 64L << 20;
    /// A stack of memory grows in blocks of at most this size, so as much can lie unused.
    private static final long GROWTH = 64L << 20;
    /// And of at least this size.
    private static final long SMALLEST_GROWTH = 1L << 20;

    /// Copies the map, keeping its order.
    public MemoryPlan {
        parts = new LinkedHashMap<>(parts);
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
        parts.put("kernels", KERNELS);
        parts.put("jvm", JVM);
        return new MemoryPlan(parts);
    }

    /// A backward that computes each layer's activations again and reduces weight gradients tile by tile.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param samples sequences of the batch
    /// @param tokens of each sequence
    /// @param tileFloats what is held of a weight's gradient at a time, all saliences together
    /// @return the plan
    public static MemoryPlan scoring(ModelShape shape, long weightBytes, int samples, int tokens, long tileFloats) {
        long all = Math.multiplyExact((long) samples, tokens);
        int hidden = shape.hidden();
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", weightBytes);
        parts.put("layer_inputs", floats(all * hidden * (shape.layers().size() + 1L)));
        // normed, rstd, its gradient; the gradient that travels, the output of a layer that is computed again.
        long travelling = 4L * hidden + 1;
        parts.put("layer", floats(all * (travelling + layerWidth(shape) + backwardWidth(shape))) + GROWTH);
        parts.put("logits", logits(shape, all));
        parts.put("gradient_tiles", floats(tileFloats) + GROWTH);
        // Two norms for each layer and the last one, needed where hidden channels are scored.
        parts.put("norm_gradients", floats((long) samples * hidden * (2L * shape.layers().size() + 1)));
        parts.put("kernels", KERNELS);
        parts.put("jvm", JVM);
        return new MemoryPlan(parts);
    }

    /// A training step whose base weights are frozen.
    ///
    /// @param shape of the model
    /// @param weightBytes of its mapped files
    /// @param tokens of the largest micro-batch
    /// @param keep what a forward keeps: layer inputs or all activations
    /// @return the plan, without what is trained
    public static MemoryPlan training(ModelShape shape, long weightBytes, long tokens, Keep keep) {
        int hidden = shape.hidden();
        long kept = switch (keep) {
            case NOTHING -> throw new IllegalArgumentException("a backward needs at least the layer inputs");
            case LAYER_INPUTS -> hidden * (shape.layers().size() + 1L) + layerWidth(shape);
            case ACTIVATIONS -> hidden * (shape.layers().size() + 1L)
                    + shape.layers().stream().mapToLong(layer -> layerWidth(shape, layer)).sum();
        };
        // normed, rstd, its gradient; the gradient that travels, the output of a layer that is computed again; labelled
        // rows and their gradient; the widest input of an adapter, dropped.
        long travelling = 6L * hidden + 1 + Math.max(hidden, widestInput(shape));
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", weightBytes);
        parts.put("activations", floats(Math.multiplyExact(tokens, kept)) + GROWTH);
        parts.put("backward", floats(Math.multiplyExact(tokens, travelling + backwardWidth(shape))) + GROWTH);
        parts.put("logits", logits(shape, tokens));
        parts.put("kernels", KERNELS);
        parts.put("jvm", JVM);
        return new MemoryPlan(parts);
    }

    private static long widestInput(ModelShape shape) {
        return shape.layers().stream().mapToLong(layer -> Math.max(layer.queryWidth(), layer.ffn())).max().orElse(0);
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

    /// Floats for each token that the backward of the widest half takes beside that.
    private static long backwardWidth(ModelShape shape) {
        long hidden = shape.hidden();
        long widest = 0;
        for (LayerShape layer : shape.layers()) {
            long attention = 3L * layer.queryWidth() + 2L * layer.kvWidth() + hidden;
            widest = Math.max(widest, Math.max(attention, 3L * layer.ffn() + hidden));
        }
        return widest;
    }

    /// The cache grows with its sequence, so half of what it holds, or a block, can lie unused.
    private static long cache(ModelShape shape, int positions) {
        long bytes = KvCache.bytes(shape, positions);
        return bytes == 0 ? 0 : bytes + Math.clamp(bytes, SMALLEST_GROWTH, GROWTH);
    }

    private static long logits(ModelShape shape, long tokens) {
        return floats(Math.min(tokens, LmHead.chunkRows(shape.vocab())) * shape.vocab());
    }

    private static long floats(long count) {
        return Math.multiplyExact(count, (long) Float.BYTES);
    }
}
