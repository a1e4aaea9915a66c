/// Hard-concrete gates on the host: what Compresso and NutePrune share, apart from any model's run.
///
/// Start at [GateTraining], which holds log-alphas and multipliers of a run. [GateSettings] says which gates a model
/// has, [GateLayout] where each stands in the arrays over all of them, block by block ([GateBlock], [GateFamily]).
///
/// - [HardConcrete] is the distribution of one gate; [GateSample] draws all of them by a [GateKey] and has the
///   backward; [InitialGates] are their first log-alphas.
/// - [GateSparsity] is the expected and the realised sparsity; [Lagrangian] and [SparsitySchedule] make it a
///   constraint.
/// - [DeterministicMask] is the mask outside training, of widths by a [WidthRule]; [TargetShift] moves gates that ended
///   beside their target onto it.
/// - A [GateMask] has a value per gate; its [MaskValues] are what a pass multiplies by (`espalier.engine.model.Gates`).
/// - [GateState] is what a run goes on from.
///
/// Everything is float64 with StrictMath and draws by Philox: masks have the same bits on every machine.
package espalier.engine.gates;
