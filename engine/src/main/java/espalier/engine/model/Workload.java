package espalier.engine.model;

import espalier.kernels.Check;
import espalier.kernels.Ops;
import espalier.kernels.Workspace;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// A forward and backward over frozen weights, as far as its memory and time depend on it.
///
/// @param shape of the model
/// @param tokens of the largest batch that is run at a time
/// @param longest tokens of a sequence, which attention's scratch memory grows with
/// @param weightBytes of the model's mapped files
/// @param copyBytes what packed copies of its weights would take, [Model#packedBytes]; 0 where none are made
/// @param adapters what each layer has
/// @param hasGates whether head, FFN and hidden gates are open to gradients
/// @param hasTeacher whether a teacher's states are held beside, and its logits are what is learnt from
/// @param roleBytes of gates, of their gradients and of narrow copies of roles, all in the activations' workspace
/// @param others bytes that are held beside the activations, by what they are for
public record Workload(
        ModelShape shape,
        long tokens,
        long longest,
        long weightBytes,
        long copyBytes,
        AdaptersPerLayer adapters,
        boolean hasGates,
        boolean hasTeacher,
        long roleBytes,
        Map<String, Long> others) {
    /// Trained adapters of every layer.
    ///
    /// @param sites which projections have one
    /// @param rank the largest
    /// @param hasDropout whether their inputs are copied with dropout
    public record AdaptersPerLayer(Set<Site> sites, int rank, boolean hasDropout) {
        /// No adapters.
        public static final AdaptersPerLayer NONE = new AdaptersPerLayer(Set.of(), 0, false);

        /// Copies the set.
        public AdaptersPerLayer {
            sites = Set.copyOf(sites);
            Check.notNegative("lora rank", rank);
        }
    }

    /// Checks the numbers and copies the map, keeping its order.
    public Workload {
        others = Collections.unmodifiableMap(new LinkedHashMap<>(others));
        boolean isNegative = tokens < 0 || longest < 0 || weightBytes < 0 || copyBytes < 0 || roleBytes < 0;
        if (isNegative || others.values().stream().anyMatch(bytes -> bytes < 0)) {
            throw new IllegalArgumentException(
                    "a workload of %d tokens, %d bytes of weights, %d of copies, %d of roles, %s"
                            .formatted(tokens, weightBytes, copyBytes, roleBytes, others));
        }
    }

    /// Cross-entropy of a model whose gates are open, without adapters.
    ///
    /// @param shape of the model
    /// @param tokens of the largest batch
    /// @param weightBytes of the model's mapped files
    /// @return the work
    public static Workload of(ModelShape shape, long tokens, long weightBytes) {
        return new Workload(
                shape, tokens, tokens, weightBytes, 0, AdaptersPerLayer.NONE, false, false, 0, Map.of());
    }

    /// @param bytes of packed copies
    /// @return this with weights that may be packed
    public Workload withCopies(long bytes) {
        return new Workload(
                shape, tokens, longest, weightBytes, bytes, adapters, hasGates, hasTeacher, roleBytes, others);
    }

    /// @param trained adapters
    /// @return this with them
    public Workload withAdapters(AdaptersPerLayer trained) {
        return new Workload(
                shape, tokens, longest, weightBytes, copyBytes, trained, hasGates, hasTeacher, roleBytes, others);
    }

    /// @param tokens of the longest sequence; without this a batch is taken for one sequence
    /// @return this with such sequences
    public Workload withSequences(long tokens) {
        return new Workload(
                shape, this.tokens, tokens, weightBytes, copyBytes, adapters, hasGates, hasTeacher, roleBytes, others);
    }

    /// @return this with gates of heads, FFN and hidden channels
    public Workload withGates() {
        return new Workload(
                shape, tokens, longest, weightBytes, copyBytes, adapters, true, hasTeacher, roleBytes, others);
    }

    /// @return this with a teacher
    public Workload withTeacher() {
        return new Workload(
                shape, tokens, longest, weightBytes, copyBytes, adapters, hasGates, true, roleBytes, others);
    }

    /// @param bytes of gates and narrow copies, of all roles of a step
    /// @return this with them
    public Workload withRoles(long bytes) {
        return new Workload(
                shape, tokens, longest, weightBytes, copyBytes, adapters, hasGates, hasTeacher, bytes, others);
    }

    /// @param name what the bytes are for
    /// @param bytes how many
    /// @return this with bytes that are held beside
    public Workload with(String name, long bytes) {
        Map<String, Long> more = new LinkedHashMap<>(others);
        more.merge(name, bytes, Long::sum);
        return new Workload(
                shape, tokens, longest, weightBytes, copyBytes, adapters, hasGates, hasTeacher, roleBytes, more);
    }

    /// @param elements of a tensor
    /// @return bytes that it takes of a workspace
    public static long tensorBytes(long elements) {
        return ActivationBytes.aligned(elements);
    }

    /// Memory for the activations of such a step in one block, so that nothing is lost between blocks that are too
    /// small for what comes next.
    ///
    /// @param keep what a forward keeps
    /// @param ops the backend
    /// @return empty, holding what the plan says
    public Workspace workspace(Keep keep, Ops ops) {
        return reserved(new ActivationBytes(this).peak(keep), ops);
    }

    /// @param bytes to hold
    /// @param ops the backend
    /// @return empty, holding them in one block
    static Workspace reserved(long bytes, Ops ops) {
        Workspace ws = ops.newWorkspace();
        try {
            // Rows of 64 bytes, which is what tensors are aligned to.
            int floats = ActivationBytes.ALIGNMENT / Float.BYTES;
            ws.take(Math.toIntExact(bytes / ActivationBytes.ALIGNMENT), floats);
            ws.release(0);
            return ws;
        } catch (Throwable e) {
            ws.close();
            throw e;
        }
    }
}
