package espalier.kernels;

/// Cosines and sines of rotary position embeddings (Su et al. 2021, arXiv:2104.09864) in the half-split order of
/// Hugging Face checkpoints: pair `i` is made of the components `i` and `i + headDim / 2` of a head.
///
/// @param cos `[positions, headDim / 2]`
/// @param sin `[positions, headDim / 2]`
public record RopeTable(Tensor cos, Tensor sin) {
    /// Fills a table. Frequencies and angles are rounded to F32 where transformers rounds them: models are trained with
    /// those, and at position 8192 exact angles would differ from them by some 1e-4 radians.
    ///
    /// @param ops the backend
    /// @param memory keeps the table
    /// @param theta the base, e.g. 10000
    /// @param headDim width of a head, even
    /// @param positions number of positions
    /// @return the table
    public static RopeTable create(Ops ops, Workspace memory, double theta, int headDim, int positions) {
        int half = headDim / 2;
        float[] cos = new float[positions * half];
        float[] sin = new float[positions * half];
        float[] frequency = new float[half];
        for (int i = 0; i < half; i++) {
            float exponent = (float) (2 * i) / headDim;
            frequency[i] = 1 / (float) StrictMath.pow(theta, exponent);
        }
        for (int p = 0; p < positions; p++) {
            for (int i = 0; i < half; i++) {
                float angle = p * frequency[i];
                cos[p * half + i] = (float) StrictMath.cos(angle);
                sin[p * half + i] = (float) StrictMath.sin(angle);
            }
        }
        RopeTable table = new RopeTable(memory.take(positions, half), memory.take(positions, half));
        ops.fromHost(cos, table.cos);
        ops.fromHost(sin, table.sin);
        return table;
    }
}
