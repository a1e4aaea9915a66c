/// Pruning by masks that are trained: Compresso (Guo et al. 2023, arXiv:2310.05015) and NutePrune (Li et al. 2024,
/// arXiv:2402.09773), on one frozen model that plays all roles.
///
/// Start at [MaskPruning], which goes from a folder to a smaller one in a run directory. [MaskTraining] is the run
/// itself: a [espalier.engine.train.Trainer] over a `MaskedLoss`, with `TrainedGates` beside the optimiser of the
/// adapters. A `Student` holds these and the `Task` that it learns by, as a [MaskMethod] says; masks come to the backend
/// as `UploadedMasks`. NutePrune's teachers are [Snapshot]s of the student that a
/// [TeacherSchedule] asks for and picks, and a [SnapshotStore] keeps, for a run directory a [SnapshotFolder].
/// [MaskMemory] tells what a run holds.
///
/// The mathematics of gates is in `espalier.engine.gates`, of what comes after in `espalier.engine.prune`.
package espalier.engine.masked;
