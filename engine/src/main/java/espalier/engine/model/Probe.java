package espalier.engine.model;

import espalier.kernels.Philox;

/// Random tokens on which masked, planned and written model are compared: the proof compares computations, whatever
/// the text.
public final class Probe {
    /// Most tokens of a probe, all sequences together: what the memory plan counts.
    public static final int MOST_TOKENS = 64;

    private static final int SEQUENCES = 2;
    private static final long STREAM = 0x70726f6265L;

    private Probe() {}

    /// @param shape the model
    /// @return `[sequences][tokens]` ids, the same for every model of this vocabulary and context
    public static int[][] of(ModelShape shape) {
        int tokens = Math.min(MOST_TOKENS / SEQUENCES, shape.maxPositions());
        Philox random = new Philox(0, STREAM);
        int[][] probe = new int[SEQUENCES][tokens];
        for (int s = 0; s < SEQUENCES; s++) {
            for (int i = 0; i < tokens; i++) {
                probe[s][i] = random.below((long) s * tokens + i, shape.vocab());
            }
        }
        return probe;
    }
}
