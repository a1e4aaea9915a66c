/// Structured pruning: what can be removed together, what is removed, and what is left.
///
/// Read [Groups] first: it closes LLM-Pruner's dependency rule over a model's channel graph, which gives heads, FFN
/// channels and hidden channels as [Group]s of units. [Reduction] makes one score per unit of the scores of single
/// matrices, [Selection] decides which units leave, and a [PruningPlan] says what is kept, and which
/// [espalier.engine.gates.MaskValues] fold into it; that of a trained mask is a [MaskedPlan]. [TargetSearch] finds the
/// ratio that reaches a wanted size.
///
/// [Pruning] is the entry: a folder, a [PruningMethod] and a [PruningWatch] go in, a [Pruned] model comes out.
/// [LlmPruner] goes from a folder to a plan: [UnitScorer] scores, with `TaylorScores` reducing gradients while a
/// backward runs, and a [ScoresFile] keeps scores for other ratios. [Compaction] goes from a plan to a proved smaller
/// folder: `Surgery` works out the cut of each tensor, `PrunedWeights` are the cut tensors of a
/// [espalier.engine.model.StreamedModel] that is run before they are written, `MaskedModel` is what it must equal, on
/// the tokens of a [espalier.engine.model.Probe].
package espalier.engine.prune;
