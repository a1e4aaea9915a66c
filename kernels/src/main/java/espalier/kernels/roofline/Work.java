package espalier.kernels.roofline;

import espalier.kernels.DType;

/// What one call of a kernel has to do at least.
///
/// Operations are those of the formula: a multiplication, an addition, a comparison, a division, a root and an
/// exponential count one each. Bytes are compulsory traffic: every operand read once and every result written once, a
/// result that is added to both; what a cache fetches before it can write is not counted.
///
/// @param flops floating-point operations
/// @param bytes bytes read and written
public record Work(double flops, double bytes) {
    /// @throws IllegalArgumentException unless both are positive and finite
    public Work {
        if (!(flops > 0 && bytes > 0 && flops + bytes < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("work of %s operations and %s bytes".formatted(flops, bytes));
        }
    }

    /// @return operations for each byte
    public double intensity() {
        return flops / bytes;
    }

    /// `y = x W^T` and its backward `dX = dY W`: 2 operations for each token and weight; the weight as it is stored,
    /// the activations in F32.
    ///
    /// @param tokens rows
    /// @param inputs columns of the weight
    /// @param outputs rows of the weight
    /// @param type of the weight
    /// @return the work
    public static Work linear(long tokens, long inputs, long outputs, DType type) {
        return new Work(2.0 * tokens * inputs * outputs,
                (double) type.bytes() * inputs * outputs + 4.0 * tokens * (inputs + outputs));
    }

    /// `dW = dY^T X`: as [#linear] with a result in F32.
    ///
    /// @param tokens rows of dY and X
    /// @param inputs columns of X
    /// @param outputs columns of dY
    /// @return the work
    public static Work weightGradient(long tokens, long inputs, long outputs) {
        return linear(tokens, inputs, outputs, DType.F32);
    }

    /// Causal attention of one sequence: for each pair of a query and a key at or before it, 2 headDim operations for
    /// the score and as many for the weighted values; reads q, k, v, writes the output and the log-sums.
    ///
    /// @param tokens of the sequence
    /// @param heads query heads
    /// @param kvHeads key/value heads
    /// @param headDim width of a head
    /// @return the work
    public static Work attention(long tokens, long heads, long kvHeads, long headDim) {
        return new Work(
                4.0 * headDim * heads * pairs(tokens),
                4.0 * tokens * (2 * heads * headDim + 2 * kvHeads * headDim + heads));
    }

    /// The backward of [#attention]: five products for each pair (scores again, dP, dQ, dK, dV); reads q, k, v, the
    /// output, its gradient and the log-sums, writes dQ, dK, dV.
    ///
    /// @param tokens of the sequence
    /// @param heads query heads
    /// @param kvHeads key/value heads
    /// @param headDim width of a head
    /// @return the work
    public static Work attentionBackward(long tokens, long heads, long kvHeads, long headDim) {
        return new Work(
                10.0 * headDim * heads * pairs(tokens),
                4.0 * tokens * (4 * heads * headDim + 4 * kvHeads * headDim + heads));
    }

    private static double pairs(long tokens) {
        return 0.5 * tokens * (tokens + 1);
    }

    /// RMSNorm: square, add, two multiplications for each element.
    ///
    /// @param tokens rows
    /// @param hidden columns
    /// @return the work
    public static Work rmsNorm(long tokens, long hidden) {
        return new Work(4.0 * tokens * hidden, 4.0 * (2 * tokens * hidden + hidden + tokens));
    }

    /// RMSNorm's backward without the weight's gradient: 7 operations for each element; reads dY and x, adds to dX.
    ///
    /// @param tokens rows
    /// @param hidden columns
    /// @return the work
    public static Work rmsNormBackward(long tokens, long hidden) {
        return new Work(7.0 * tokens * hidden, 4.0 * (4 * tokens * hidden + hidden + tokens));
    }

    /// SwiGLU: negate, exponential, add, divide, multiply for each element; two arrays in, one out.
    ///
    /// @param tokens rows
    /// @param ffn columns
    /// @return the work
    public static Work swiglu(long tokens, long ffn) {
        return new Work(5.0 * tokens * ffn, 12.0 * tokens * ffn);
    }

    /// SwiGLU's backward: 12 operations for each element; three arrays in, two out.
    ///
    /// @param tokens rows
    /// @param ffn columns
    /// @return the work
    public static Work swigluBackward(long tokens, long ffn) {
        return new Work(12.0 * tokens * ffn, 20.0 * tokens * ffn);
    }

    /// Cross-entropy with its gradient in place: 7 operations for each logit (maximum; subtract, exponential, add;
    /// subtract, exponential, multiply), read once and written once.
    ///
    /// @param tokens rows
    /// @param vocab columns
    /// @return the work
    public static Work crossEntropy(long tokens, long vocab) {
        return new Work(7.0 * tokens * vocab, 8.0 * tokens * vocab);
    }

    /// AdamW: 15 operations for each parameter; reads the parameter, two moments and the gradient, writes the first
    /// three.
    ///
    /// @param parameters their number
    /// @return the work
    public static Work adamW(long parameters) {
        return new Work(15.0 * parameters, 28.0 * parameters);
    }
}
