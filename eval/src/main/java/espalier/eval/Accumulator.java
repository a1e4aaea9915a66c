package espalier.eval;

import espalier.engine.Progress;
import java.util.ArrayList;
import java.util.List;

/// Collects sequences until a model runs them efficiently, then adds up the losses that count.
final class Accumulator {
    private final LanguageModel model;
    private final Progress progress;
    private final long totalWindows;
    private final List<int[]> pending = new ArrayList<>();
    private final List<Integer> pendingScored = new ArrayList<>();
    private int pendingTokens;
    private double lossSum;
    private long tokens;
    private int windows;

    Accumulator(LanguageModel model, long totalWindows, Progress progress) {
        this.model = model;
        this.totalWindows = totalWindows;
        this.progress = progress;
    }

    /// @param sequence at least one token
    /// @param scored only so many of its last tokens count
    void add(int[] sequence, int scored) {
        if (!pending.isEmpty() && pendingTokens + sequence.length > model.efficientTokens()) {
            run();
        }
        pending.add(sequence);
        pendingScored.add(scored);
        pendingTokens += sequence.length;
    }

    private void run() {
        List<double[]> losses = model.losses(pending);
        for (int s = 0; s < losses.size(); s++) {
            double[] sequence = losses.get(s);
            int from = Math.max(0, sequence.length - pendingScored.get(s));
            for (int i = from; i < sequence.length; i++) {
                lossSum += sequence[i];
            }
            tokens += sequence.length - from;
        }
        windows += losses.size();
        pending.clear();
        pendingScored.clear();
        pendingTokens = 0;
        progress.at(windows, totalWindows);
    }

    Perplexity finish() {
        if (!pending.isEmpty()) {
            run();
        }
        return new Perplexity(lossSum, tokens, windows);
    }
}
