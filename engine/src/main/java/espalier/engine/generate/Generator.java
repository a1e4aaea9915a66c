package espalier.engine.generate;

import espalier.engine.generate.Generation.End;
import espalier.engine.model.Batch;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.KvCache;
import espalier.engine.model.Model;
import espalier.engine.model.Pass;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.Arrays;

/// Continues a prompt token by token: the prompt is read in pieces into a key/value cache, then each token is one
/// forward pass over a single position.
///
/// One generation at a time; the model may be shared with others that take turns.
public final class Generator implements AutoCloseable {
    /// Bounds the memory of activations, whatever the length of the prompt.
    public static final int PROMPT_PIECE_TOKENS = 512;

    private final Model model;
    private final Pass pass;
    private final Workspace memory;

    /// Receives tokens as they are generated.
    @FunctionalInterface
    public interface Listener {
        /// @param id the token just generated
        /// @return whether to go on
        boolean token(int id);
    }

    /// @param model stays open as long as the generator
    public Generator(Model model) {
        this.model = model;
        this.pass = Pass.plain(model.shape().layers().size());
        this.memory = model.ops().newWorkspace();
    }

    /// Refuses, before anything is run, what [#generate] would refuse.
    ///
    /// @param request what to continue
    /// @throws IllegalArgumentException if the prompt is longer than the context or holds an id that the model does
    ///     not know
    public void check(GenerationRequest request) {
        int[] prompt = request.prompt();
        int context = model.shape().maxPositions();
        if (prompt.length > context) {
            throw new IllegalArgumentException(
                    "the prompt has %d tokens, the model's context is %d".formatted(prompt.length, context));
        }
        model.shape().requireIds("the prompt", prompt);
    }

    /// @param request what to continue
    /// @param sampler picks each token
    /// @param listener called with each token, an end token included
    /// @return the tokens and why there are no more
    /// @throws IllegalArgumentException see [#check]
    /// @throws ArithmeticException if the model's logits are not finite
    public Generation generate(GenerationRequest request, Sampler sampler, Listener listener) {
        check(request);
        int[] prompt = request.prompt();
        int context = model.shape().maxPositions();
        int[] ids = new int[Math.min(request.maxTokens(), context - prompt.length + 1)];
        End whenFull = ids.length == request.maxTokens() ? End.MAX_TOKENS : End.CONTEXT;
        long start = System.nanoTime();
        try (KvCache cache = new KvCache(model.shape(), model.ops())) {
            int sequence = cache.newSequence();
            float[] logits = readPrompt(prompt, cache, sequence);
            long promptRead = System.nanoTime();
            int count = 0;
            End end = null;
            while (end == null) {
                int candidates = Math.min(request.candidates(), logits.length);
                int id = sampler.pick(logits, candidates, prompt.length + count);
                ids[count++] = id;
                boolean goOn = listener.token(id);
                if (request.endIds().contains(id)) {
                    end = End.END_TOKEN;
                } else if (!goOn || Thread.currentThread().isInterrupted()) {
                    end = End.STOPPED;
                } else if (count == ids.length) {
                    end = whenFull;
                } else {
                    logits = forward(new int[] {id}, cache, sequence);
                }
            }
            long done = System.nanoTime();
            return new Generation(
                    Arrays.copyOf(ids, count), end, (promptRead - start) * 1e-9, (done - promptRead) * 1e-9);
        }
    }

    private float[] readPrompt(int[] prompt, KvCache cache, int sequence) {
        float[] logits = null;
        for (int from = 0; from < prompt.length; from += PROMPT_PIECE_TOKENS) {
            int to = Math.min(prompt.length, from + PROMPT_PIECE_TOKENS);
            logits = forward(Arrays.copyOfRange(prompt, from, to), cache, sequence);
        }
        return logits;
    }

    /// @return `[vocab]`, logits of the token after the last of these
    private float[] forward(int[] ids, KvCache cache, int sequence) {
        long mark = memory.mark();
        Hidden hidden = model.forward(Batch.next(ids, cache, sequence), pass, Keep.NOTHING, memory);
        Tensor last = hidden.normed().rowRange(ids.length - 1, ids.length);
        float[] logits = new float[model.shape().vocab()];
        model.ops().toHost(model.lmHead().logits(last, memory), logits);
        memory.release(mark);
        return logits;
    }

    @Override
    public void close() {
        memory.close();
    }
}
