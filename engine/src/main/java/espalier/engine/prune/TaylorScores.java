package espalier.engine.prune;

import espalier.engine.Progress;
import espalier.engine.model.Batch;
import espalier.engine.model.NormSite;
import espalier.engine.model.Site;
import espalier.engine.model.VocabularyGradient;
import espalier.engine.model.WeightGradients;
import espalier.engine.model.WeightSource;
import espalier.kernels.Ops;
import espalier.kernels.Salience;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/// Reduces weight gradients to LLM-Pruner's importance sums while the backward runs (llm-pruner.md §4, §5): a tile of
/// some rows of one weight at a time, all saliences at once. No gradient is kept beyond its tile.
///
/// The second-order variants need the mean over samples of the squared per-sample gradients. A sample is a sequence of
/// the batch; since the loss of the batch is the mean of its samples' losses, the gradient of sample `j` is the number
/// of samples times what its rows contribute to the gradient of the batch.
final class TaylorScores implements WeightGradients, AutoCloseable {
    private static final int TILE_ELEMENTS = 1 << 20;
    /// What a tile takes: its gradient, the mean square, and one sample's gradient.
    static final long MOST_TILE_FLOATS = 3L * TILE_ELEMENTS;
    /// Their memory grows in blocks of at most this size, so as much can lie unused.
    static final long GROWTH = 64L << 20;

    private final Ops ops;
    private final Batch batch;
    private final Set<Salience> saliences;
    private final boolean scoresResidual;
    private final int residualWidth;
    private final Progress progress;
    /// Layers of the model, known once the backward reaches the last one.
    private int layers;
    private final boolean needsGradient;
    private final boolean needsMeanSquare;
    private final Workspace ws;
    private final Map<Salience, Map<String, MatrixScores>> scores = new HashMap<>();
    /// Gradients of norm weights, `[samples, hidden]`; they outlive the tiles.
    private final Map<String, Tensor> norms = new HashMap<>();
    private final Workspace normMemory;

    /// @param ops the backend
    /// @param batch samples of equal length
    /// @param saliences which ones to reduce
    /// @param residualWidth the model's hidden size where norms, embedding and lm_head are scored too, which is what
    ///     hidden channels are made of; else 0
    /// @param progress told of layers done
    TaylorScores(Ops ops, Batch batch, Set<Salience> saliences, int residualWidth, Progress progress) {
        this.ops = ops;
        this.batch = batch;
        this.saliences = EnumSet.copyOf(saliences);
        this.residualWidth = residualWidth;
        this.progress = progress;
        this.scoresResidual = residualWidth > 0;
        this.needsGradient = saliences.stream().anyMatch(Salience::needsGradient);
        this.needsMeanSquare = saliences.stream().anyMatch(Salience::needsMeanSquare);
        this.ws = ops.newWorkspace();
        this.normMemory = ops.newWorkspace();
        saliences.forEach(salience -> scores.put(salience, new HashMap<>()));
    }

    /// Fills the tile's gradient with what some tokens contribute to it.
    @FunctionalInterface
    private interface TileGradient {
        /// dW `[rows, cols]`, = the gradient of rows `fromRow ..` from the tokens `[fromToken, toToken)`.
        void compute(Tensor dW, int fromRow, int fromToken, int toToken);
    }

    @Override
    public void projection(int layer, Site site, Weight weight, Tensor dY, Tensor x) {
        if (site == Site.DOWN_PROJ) {
            layers = Math.max(layers, layer + 1);
            progress.at(layers - layer - 1L, layers);
        }
        String name = site.module(layer) + ".weight";
        reduce(name, weight, weight.cols(), (dW, fromRow, fromToken, toToken) -> ops.weightGradient(
                dW, dY.rowRange(fromToken, toToken), fromRow, x.rowRange(fromToken, toToken), false));
    }

    @Override
    public boolean wantsVocabulary() {
        return scoresResidual;
    }

    @Override
    public void vocabulary(VocabularyGradient gradient) {
        boolean tied = gradient.isTied();
        // A tile's logits, [tokens, rows], take memory too.
        int tokens = needsMeanSquare ? batch.tokens() / batch.sequences() : batch.tokens();
        int widest = Math.max(residualWidth, tokens);
        reduce("model.embed_tokens.weight", gradient.embedding(), widest, (dW, fromRow, fromToken, toToken) -> {
            ops.fill(dW, 0);
            gradient.addEmbedding(dW, fromRow, fromToken, toToken);
            if (tied) {
                gradient.addLmHead(dW, fromRow, fromToken, toToken, ws);
            }
        });
        if (!tied) {
            reduce("lm_head.weight", gradient.lmHead(), widest, (dW, fromRow, fromToken, toToken) -> {
                ops.fill(dW, 0);
                gradient.addLmHead(dW, fromRow, fromToken, toToken, ws);
            });
        }
    }

    /// @param widest most elements for each row of a tile that anything made for it takes
    private void reduce(String name, Weight weight, int widest, TileGradient gradient) {
        saliences.forEach(salience -> scores.get(salience).put(name, MatrixScores.zeros(weight.rows(), weight.cols())));
        if (weight.rows() == 0 || weight.cols() == 0) {
            return;
        }
        int tileRows = Math.clamp(TILE_ELEMENTS / widest, 1, weight.rows());
        for (int from = 0; from < weight.rows(); from += tileRows) {
            long mark = ws.mark();
            int rows = Math.min(tileRows, weight.rows() - from);
            Tensor g = ws.take(rows, weight.cols());
            Tensor meanSquare = needsMeanSquare ? ws.takeZeros(rows, weight.cols()) : Tensor.NONE;
            computeTile(g, meanSquare, from, gradient);
            for (Salience salience : saliences) {
                MatrixScores sums = scores.get(salience).get(name);
                double[] rowSums = new double[rows];
                ops.reduceSalience(
                        rowSums,
                        sums.cols(),
                        salience,
                        weight,
                        from,
                        rows,
                        salience.needsGradient() ? g : Tensor.NONE,
                        salience.needsMeanSquare() ? meanSquare : Tensor.NONE);
                System.arraycopy(rowSums, 0, sums.rows(), from, rows);
            }
            ws.release(mark);
        }
    }

    private void computeTile(Tensor g, Tensor meanSquare, int fromRow, TileGradient gradient) {
        if (!needsMeanSquare) {
            if (needsGradient) {
                gradient.compute(g, fromRow, 0, batch.tokens());
            }
            return;
        }
        int samples = batch.sequences();
        Tensor sample = ws.take(g.rows(), g.cols());
        ops.fill(g, 0);
        for (int j = 0; j < samples; j++) {
            gradient.compute(sample, fromRow, batch.sequenceStart()[j], batch.sequenceStart()[j + 1]);
            ops.addScaled(g, sample, 1);
            // (1/N) * (N * contribution)^2
            ops.addSquare(meanSquare, sample, samples);
        }
    }

    @Override
    public Tensor norm(NormSite site, int layer) {
        if (!scoresResidual) {
            return Tensor.NONE;
        }
        return norms.computeIfAbsent(
                site.weight(layer), name -> normMemory.takeZeros(batch.sequences(), residualWidth));
    }

    /// Reduces the gradients of the norm weights; to be called once, after the backward.
    ///
    /// @param source of the norm weights
    void finishNorms(WeightSource source) {
        int samples = batch.sequences();
        norms.forEach((name, gradients) -> {
            float[] perSample = new float[samples * residualWidth];
            ops.toHost(gradients, perSample);
            float[] weight = source.vector(name, residualWidth);
            for (Salience salience : saliences) {
                double[] channels = new double[residualWidth];
                for (int c = 0; c < residualWidth; c++) {
                    double g = 0;
                    double squares = 0;
                    for (int j = 0; j < samples; j++) {
                        double contribution = perSample[j * residualWidth + c];
                        g += contribution;
                        squares += contribution * contribution;
                    }
                    channels[c] = salience.of(weight[c], g, samples * squares);
                }
                scores.get(salience).put(name, new MatrixScores(channels, new double[0]));
            }
        });
    }

    /// @param salience one of those that are reduced
    /// @return its sums by tensor name, absolute
    Map<String, MatrixScores> scores(Salience salience) {
        Map<String, MatrixScores> absolute = new HashMap<>();
        scores.get(salience).forEach((name, sums) -> absolute.put(name, sums.absolute()));
        return absolute;
    }

    @Override
    public void close() {
        ws.close();
        normMemory.close();
    }
}
