package espalier.kernels;

/// The backend contract: the operations a transformer is made of, each with its backward.
///
/// Every matrix is row-major, activations are F32, `tokens` counts the packed rows of a batch. Each method says whether
/// it overwrites (`=`) or adds to (`+=`) its outputs. Outputs never overlap inputs unless the method says so.
/// [Tensor#NONE] is allowed where an argument is called optional. Shapes are checked and mismatches are
/// `IllegalArgumentException`s naming the argument, actual and expected.
///
/// Results depend on the shapes, the lane width and nothing else: not on the number of threads, not on whether a
/// kernel has been compiled yet.
public interface Ops extends AutoCloseable {
    /// @return short name for logs and results, e.g. "vector" or "scalar"
    String name();

    /// @return width of the SIMD registers in use, in bits; 32 for scalar code
    int laneBits();

    /// @return threads that take part in an operation
    int threads();

    /// @return bytes of memory that operations keep for themselves by now, at most those of [ScratchBytes]
    long scratchBytes();

    /// @return a new empty workspace in this backend's memory
    Workspace newWorkspace();

    /// Makes a weight usable. The matrix is kept as stored and converted while kernels pack it.
    ///
    /// @param matrix stays alive as long as the weight is used
    /// @return a handle that only this backend understands
    Weight prepare(StoredMatrix matrix);

    /// A weight that is a tensor, for models whose weights are trained: each call reads what the tensor holds then.
    ///
    /// @param name how a checkpoint calls it, for messages
    /// @param matrix stays alive as long as the weight is used
    /// @return a handle that only this backend understands; not for [#pack], whose copy would not follow
    Weight weightOf(String name, Tensor matrix);

    /// A weight with a copy of it, as stored, in the order in which [#linear] of many rows reads it: calls need not lay
    /// it out again, which for a few dozen rows is half of their time. Everything else reads the original. The same
    /// bits as without.
    ///
    /// @param w from [#prepare]
    /// @param memory holds the copy, [#packedBytes]; must live as long as the weight is used
    /// @return the weight
    Weight pack(Weight w, Workspace memory);

    /// @param w a weight
    /// @return bytes that [#pack] takes from its workspace, but for alignment; 0 where it makes no copy
    long packedBytes(Weight w);

    /// A weight of some rows and some columns of another, as stored: `picked[i, j] = w[rows[i], cols[j]]`. It has no
    /// copy of [#pack].
    ///
    /// @param w the weight
    /// @param rows rows of the result, each in `0 .. w.rows - 1`, in any order; one may be picked more than once
    /// @param cols columns of the result, likewise
    /// @param memory holds the result, which must not be used after that has been released
    /// @return `[rows.length, cols.length]`
    Weight gather(Weight w, int[] rows, int[] cols, Workspace memory);

    /// @param w the weight
    /// @return bytes that [#gather] takes for all of its rows and columns: the most, if none is picked twice
    long gatheredBytes(Weight w);

    /// Copies a weight's rows to F32.
    ///
    /// @param y `[rows, cols]`, =
    /// @param w the weight
    /// @param fromRow first row copied; as many as `y` has
    void dequantize(Tensor y, Weight w, int fromRow);

    /// @param x any shape
    /// @param host receives the elements in row-major order, exactly as many
    void toHost(Tensor x, float[] host);

    /// @param host the elements in row-major order, exactly as many
    /// @param y any shape, =
    void fromHost(float[] host, Tensor y);

    // ---- element-wise ----

    /// @param y = value
    /// @param value any
    void fill(Tensor y, float value);

    /// @param y = x
    /// @param x of the same shape
    void copy(Tensor y, Tensor x);

    /// Picks rows: `y[i] = x[rows[i]]`.
    ///
    /// @param y `[n, cols]`, =
    /// @param x `[tokens, cols]`
    /// @param rows `[n]`, each in `0 .. tokens - 1`, in any order; a row may be picked more than once
    void gatherRows(Tensor y, Tensor x, int[] rows);

    /// Puts rows where [#gatherRows] would pick them: `y[rows[i]] = x[i]`.
    ///
    /// @param y `[tokens, cols]`, = in the rows that are named; the others stay as they are
    /// @param x `[n, cols]`
    /// @param rows `[n]`, each in `0 .. tokens - 1`, in any order, none twice
    void scatterRows(Tensor y, Tensor x, int[] rows);

    /// Picks columns: `y[t, j] = x[t, cols[j]]`. For small tensors: gates and factors of adapters.
    ///
    /// @param y `[tokens, n]`, =
    /// @param x `[tokens, cols]`
    /// @param cols `[n]`, each in `0 .. cols - 1`, in any order; a column may be picked more than once
    void gatherColumns(Tensor y, Tensor x, int[] cols);

    /// Puts columns where [#gatherColumns] would pick them: `y[t, cols[j]] = x[t, j]`.
    ///
    /// @param y `[tokens, cols]`, = in the columns that are named; the others stay as they are
    /// @param x `[tokens, n]`
    /// @param cols `[n]`, each in `0 .. cols - 1`, in any order, none twice
    void scatterColumns(Tensor y, Tensor x, int[] cols);

    /// @param y += alpha * x
    /// @param x of the same shape
    /// @param alpha any
    void addScaled(Tensor y, Tensor x, float alpha);

    /// @param x any shape
    /// @return the sum of squares, accumulated in float64
    double sumOfSquares(Tensor x);

    /// @param y `[tokens, n]`, each row += bias
    /// @param bias `[1, n]`
    void addBias(Tensor y, Tensor bias);

    /// Column sums: the gradient of a bias.
    ///
    /// @param dBias `[1, n]`, +=
    /// @param dY `[tokens, n]`
    void biasBackward(Tensor dBias, Tensor dY);

    // ---- matrix products ----

    /// `y = x W^T`, or `y += x W^T`.
    ///
    /// @param y `[tokens, w.rows]`
    /// @param x `[tokens, w.cols]`
    /// @param w the weight
    /// @param accumulate whether to add to `y`
    void linear(Tensor y, Tensor x, Weight w, boolean accumulate);

    /// `dX = dY W`, or `dX += dY W`.
    ///
    /// @param dX `[tokens, w.cols]`
    /// @param dY `[tokens, w.rows]`
    /// @param w the weight
    /// @param accumulate whether to add to `dX`
    void linearBackward(Tensor dX, Tensor dY, Weight w, boolean accumulate);

    /// Some rows of a weight's gradient: `dW = dY[:, fromOutput ...]^T X`.
    ///
    /// @param dW `[outputs, inputs]`, the rows `fromOutput .. fromOutput + outputs - 1` of the gradient
    /// @param dY `[tokens, >= fromOutput + outputs]`
    /// @param fromOutput first output channel
    /// @param x `[tokens, inputs]`
    /// @param accumulate whether to add to `dW`
    void weightGradient(Tensor dW, Tensor dY, int fromOutput, Tensor x, boolean accumulate);

    /// `c = alpha * a b^T`, or `c += ...`.
    ///
    /// @param c `[m, n]`
    /// @param a `[m, k]`
    /// @param b `[n, k]`
    /// @param alpha factor
    /// @param accumulate whether to add to `c`
    void matmulNT(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate);

    /// `c = alpha * a b`, or `c += ...`.
    ///
    /// @param c `[m, n]`
    /// @param a `[m, k]`
    /// @param b `[k, n]`
    /// @param alpha factor
    /// @param accumulate whether to add to `c`
    void matmulNN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate);

    /// `c = alpha * a^T b`, or `c += ...`.
    ///
    /// @param c `[m, n]`
    /// @param a `[k, m]`
    /// @param b `[k, n]`
    /// @param alpha factor
    /// @param accumulate whether to add to `c`
    void matmulTN(Tensor c, Tensor a, Tensor b, float alpha, boolean accumulate);

    // ---- embedding ----

    /// @param y `[tokens, hidden]`, row `t` = row `ids[t]` of the table
    /// @param table `[vocab, hidden]`
    /// @param ids `[tokens]`, each in `0 .. vocab - 1`
    void embed(Tensor y, Weight table, int[] ids);

    /// Some rows of the embedding's gradient: adds `dY[t]` to row `ids[t] - fromRow` where that row is in `dTable`.
    ///
    /// @param dTable `[rows, hidden]`, +=, rows `fromRow ...` of the table's gradient
    /// @param fromRow first row
    /// @param dY `[tokens, hidden]`
    /// @param ids `[tokens]`
    void embedBackward(Tensor dTable, int fromRow, Tensor dY, int[] ids);

    // ---- RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467) ----

    /// `y = x * rstd * weight`, `rstd = 1 / sqrt(sum(x^2) / divisor + eps)` for each row.
    ///
    /// @param y `[tokens, hidden]`, =
    /// @param rstd `[tokens, 1]`, =
    /// @param x `[tokens, hidden]`
    /// @param weight `[1, hidden]`
    /// @param eps added to the mean square
    /// @param divisor what the sum of squares is divided by: the width, or the width a pruned model had
    void rmsNorm(Tensor y, Tensor rstd, Tensor x, Tensor weight, float eps, int divisor);

    /// Gradients of [#rmsNorm].
    ///
    /// @param dX `[tokens, hidden]`, +=
    /// @param dWeight `[1, hidden]`, +=, optional
    /// @param dY `[tokens, hidden]`
    /// @param x as in the forward
    /// @param weight as in the forward
    /// @param rstd from the forward
    /// @param divisor as in the forward
    void rmsNormBackward(
            Tensor dX, Tensor dWeight, Tensor dY, Tensor x, Tensor weight, Tensor rstd, int divisor);

    // ---- attention ----

    /// Rotates the heads of each row by its position, in place.
    ///
    /// @param x `[tokens, heads * headDim]`
    /// @param table at least as many positions as are used
    /// @param positions `[tokens]`
    /// @param inverse rotate back: the backward of the forward rotation
    void rope(Tensor x, RopeTable table, int[] positions, boolean inverse);

    /// Causal attention: `out_h = softmax(scale * q_h k^T) v` for each query head.
    ///
    /// @param out `[tokens, heads * headDim]`, =
    /// @param lse `[tokens, heads]`, = log of the sum of exponentials of the scaled scores
    /// @param q `[tokens, heads * headDim]`, rotated
    /// @param kv keys and values, `[.., kvHeads * headDim]`
    /// @param heads which key/value head each query head reads
    void attention(Tensor out, Tensor lse, Tensor q, KeyValues kv, HeadMap heads);

    /// Gradients of [#attention] over a packed batch.
    ///
    /// @param dQ `[tokens, heads * headDim]`, =
    /// @param dK `[tokens, kvHeads * headDim]`, =
    /// @param dV like `dK`, =
    /// @param dOut `[tokens, heads * headDim]`
    /// @param out from the forward
    /// @param lse from the forward
    /// @param q as in the forward
    /// @param k `[tokens, kvHeads * headDim]`
    /// @param v like `k`
    /// @param sequenceStart `[sequences + 1]`, ascending from 0 to the number of rows
    /// @param heads as in the forward
    void attentionBackward(
            Tensor dQ, Tensor dK, Tensor dV, Tensor dOut, Tensor out, Tensor lse,
            Tensor q, Tensor k, Tensor v, int[] sequenceStart, HeadMap heads);

    // ---- SwiGLU and gates ----

    /// `y = silu(z * gate) * z * up`: a gate value multiplies both pre-activations, as Compresso and NutePrune do.
    ///
    /// @param y `[tokens, ffn]`, =
    /// @param gate `[tokens, ffn]`
    /// @param up `[tokens, ffn]`
    /// @param z `[1, ffn]`, optional
    void swiglu(Tensor y, Tensor gate, Tensor up, Tensor z);

    /// Gradients of [#swiglu].
    ///
    /// @param dGate `[tokens, ffn]`, =; may be the memory of `dY`
    /// @param dUp `[tokens, ffn]`, =
    /// @param dZ `[1, ffn]`, +=, optional
    /// @param dY `[tokens, ffn]`
    /// @param gate as in the forward
    /// @param up as in the forward
    /// @param z as in the forward, optional
    void swigluBackward(Tensor dGate, Tensor dUp, Tensor dZ, Tensor dY, Tensor gate, Tensor up, Tensor z);

    /// `y = x * z`, a gate value for each run of `width` columns: 1 for hidden channels, headDim for heads.
    ///
    /// @param y `[tokens, n]`, = (or += with `accumulate`); may be the memory of `x`
    /// @param x `[tokens, n]`
    /// @param z `[1, n / width]`
    /// @param width columns that share a gate value
    /// @param accumulate whether to add to `y`
    void gateColumns(Tensor y, Tensor x, Tensor z, int width, boolean accumulate);

    /// Gradients of [#gateColumns].
    ///
    /// @param dX `[tokens, n]`, =; may be the memory of `dY`
    /// @param dZ `[1, n / width]`, +=, optional
    /// @param dY `[tokens, n]`
    /// @param x as in the forward
    /// @param z as in the forward
    /// @param width as in the forward
    void gateColumnsBackward(Tensor dX, Tensor dZ, Tensor dY, Tensor x, Tensor z, int width);

    // ---- dropout ----

    /// `y = x * mask / (1 - p)`, or `y += ...`, with a mask that is made from its key each time and never stored: a
    /// backward passes the key of its forward. The mask's bits are the same on every backend.
    ///
    /// @param y `[tokens, n]`, = (or += with `accumulate`); may be the memory of `x`
    /// @param x `[tokens, n]`, `n` at most [Dropout#MOST_COLUMNS]; dropped elements count as +0, whatever they are
    /// @param key probability, and what tells this mask from others
    /// @param batchRows `[tokens]`, row of each token in the whole batch of the step, below [Dropout#MOST_BATCH_ROWS]
    /// @param positions `[tokens]`, position of each token in its sequence, not negative
    /// @param accumulate whether to add to `y`
    void dropout(Tensor y, Tensor x, Dropout key, int[] batchRows, int[] positions, boolean accumulate);

    // ---- losses ----

    /// Next-token cross-entropy of a chunk of rows; replaces the logits by their gradient where one is wanted.
    ///
    /// @param loss `[rows]`, = `logsumexp(logits) - logits[target]`, float64; 0 for rows without a target
    /// @param logits `[rows, vocab]`; if `gradientScale` is not 0, = `gradientScale * (softmax(logits) - onehot)`,
    ///     zeros for rows without a target
    /// @param targets `[rows]`, each in `0 .. vocab - 1`, or -1 for no target
    /// @param gradientScale 0 leaves the logits as they are
    void crossEntropy(double[] loss, Tensor logits, int[] targets, float gradientScale);

    /// @param logSum `[rows]`, = log of the sum of exponentials of each row, float64
    /// @param logits `[rows, vocab]`
    void logSumExp(double[] logSum, Tensor logits);

    /// The gradient of [#crossEntropy] for some columns of the vocabulary, whose row sums are already known.
    ///
    /// @param logits `[rows, cols]`, the columns `fromToken ..`; = `scale * (exp(logits - logSum) - onehot)`, zeros for
    ///     rows without a target
    /// @param logSum `[rows]`, from [#logSumExp] over all columns
    /// @param targets `[rows]`, ids in the whole vocabulary, -1 for no target
    /// @param fromToken id of the first column
    /// @param scale factor
    void crossEntropyTile(Tensor logits, double[] logSum, int[] targets, int fromToken, float scale);

    /// Distillation loss of a chunk of rows: `KL(softmax(teacher / tau) || softmax(student / tau))`.
    ///
    /// @param loss `[rows]`, = the divergence, float64
    /// @param student `[rows, vocab]`; if `gradientScale` is not 0, =
    ///     `gradientScale / tau * (softmax(student / tau) - softmax(teacher / tau))`
    /// @param teacher `[rows, vocab]`
    /// @param tau temperature, positive
    /// @param gradientScale 0 leaves the student's logits as they are
    void klDivergence(double[] loss, Tensor student, Tensor teacher, float tau, float gradientScale);

    /// Squared error over the entries where the student is not exactly 0 (nuteprune.md §1: dropped hidden channels do
    /// not count).
    ///
    /// @param student any shape
    /// @param teacher the same shape
    /// @return the sum of squared differences and the number of entries that count
    SquaredError squaredError(Tensor student, Tensor teacher);

    /// The gradient of [#squaredError]'s sum.
    ///
    /// @param dStudent += `scale * 2 * (student - teacher)` where the student is not exactly 0
    /// @param student any shape
    /// @param teacher the same shape
    /// @param scale factor
    void squaredErrorBackward(Tensor dStudent, Tensor student, Tensor teacher, float scale);

    // ---- importance ----

    /// Sums a [Salience] of some rows of a weight over rows and columns.
    ///
    /// @param rowScore `[rows of the tile]`, += each row's sum
    /// @param colScore `[w.cols]`, += each column's sum
    /// @param salience what is summed
    /// @param w the weight
    /// @param fromRow first row of the tile
    /// @param rows rows of the tile
    /// @param g `[rows, w.cols]`, gradient of the tile; optional where the salience needs none
    /// @param meanSquare `[rows, w.cols]`, mean of the squared per-sample gradients; optional likewise
    void reduceSalience(
            double[] rowScore, double[] colScore, Salience salience,
            Weight w, int fromRow, int rows, Tensor g, Tensor meanSquare);

    /// `y += scale * x * x`, for the mean of squared per-sample gradients.
    ///
    /// @param y any shape, +=
    /// @param x the same shape
    /// @param scale factor
    void addSquare(Tensor y, Tensor x, float scale);

    // ---- optimiser ----

    /// A step of AdamW with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), in PyTorch's order:
    /// `g' = gradientScale g`, `m += (1 - beta1) (g' - m)`, `v = beta2 v + (1 - beta2) g'^2`,
    /// `p = (1 - lr decay) p - lr / c1 * m / (sqrt(v) / sqrt(c2) + eps)` with `c = 1 - beta^step`.
    ///
    /// @param p any shape, the parameter, =
    /// @param m the same shape, first moment, =; zeros before step 1
    /// @param v the same shape, second moment, =; zeros before step 1
    /// @param g the same shape, the gradient
    /// @param step the scalars
    void adamW(Tensor p, Tensor m, Tensor v, Tensor g, AdamWStep step);

    /// Stops the worker threads. Weights and workspaces must not be used afterwards.
    @Override
    void close();
}
