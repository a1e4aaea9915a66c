package espalier.engine.prune;

/// How scores of query heads are added to the key/value head that they leave with.
public enum GqaFold {
    /// Each to the key/value head that it reads.
    BY_GROUP,
    /// As the LLM-Pruner release does it: key/value channel `x` collects channels `x`, `x + kvWidth`, `x + 2 * kvWidth`
    /// and so on of q_proj and o_proj, which belong to other groups. Only to reproduce its grouped-query tables.
    RELEASED
}
