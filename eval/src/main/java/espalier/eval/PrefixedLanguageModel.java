package espalier.eval;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A model that is given the same prefix before every sequence. Whoever measures it need not know: positions and losses
/// are those of the sequence alone, as many as without the prefix.
public final class PrefixedLanguageModel implements LanguageModel {
    private final LanguageModel model;
    private final TextPrefix prefix;

    /// @param model is given the longer sequences
    /// @param prefix before each
    /// @throws IllegalArgumentException if the context has no room for a sequence of two tokens behind the prefix
    public PrefixedLanguageModel(LanguageModel model, TextPrefix prefix) {
        this.model = model;
        this.prefix = prefix;
        if (maxTokens() < 2) {
            throw new IllegalArgumentException("the prefix of %d tokens leaves no room in the model's context of %d"
                    .formatted(prefix.length(), model.maxTokens()));
        }
    }

    @Override
    public int maxTokens() {
        return model.maxTokens() - prefix.length();
    }

    @Override
    public String context() {
        return "%s, of which the prefix takes %d".formatted(model.context(), prefix.length());
    }

    @Override
    public int efficientTokens() {
        return model.efficientTokens();
    }

    @Override
    public List<double[]> losses(List<int[]> sequences) {
        List<double[]> losses = new ArrayList<>(sequences.size());
        List<int[]> pending = new ArrayList<>();
        int tokens = 0;
        for (int[] sequence : sequences) {
            int[] whole = prefix.before(sequence);
            // The caller, who does not know of the prefix, may hand over more than the memory was planned for.
            if (!pending.isEmpty() && tokens + whole.length > model.efficientTokens()) {
                losses.addAll(model.losses(pending));
                pending.clear();
                tokens = 0;
            }
            pending.add(whole);
            tokens += whole.length;
        }
        losses.addAll(model.losses(pending));
        for (int s = 0; s < losses.size(); s++) {
            double[] all = losses.get(s);
            losses.set(s, Arrays.copyOfRange(all, all.length - (sequences.get(s).length - 1), all.length));
        }
        return losses;
    }
}
