package espalier.engine.gates;

/// The values of [GateTraining] that a run goes on from. The arrays are not copied.
///
/// @param updates steps done
/// @param logAlpha one per gate, in the layout's order
/// @param multipliers `[2]`, lambda1 and lambda2
public record GateState(long updates, Vector logAlpha, Vector multipliers) {
    /// A trained vector.
    ///
    /// @param values what is trained
    /// @param m first moments
    /// @param v second moments
    public record Vector(float[] values, float[] m, float[] v) {}
}
