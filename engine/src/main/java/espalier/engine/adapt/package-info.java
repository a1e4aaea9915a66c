/// Low-rank adapters apart from a pass: sizes, values, files, merging. In a pass they are
/// [espalier.engine.model.Adapters], data like the rest of it.
///
/// - [LoraSettings] says which projections have adapters and of which sizes; [LoraModule] is one of them on a model.
/// - [LoraState] holds the values ([LoraFactors]) apart from any backend, for files and surgery.
/// - [LoraWeights] holds them in a backend's memory with their gradients, for a pass and an optimiser.
/// - [PeftAdapter] reads and writes the folders of Hugging Face PEFT; `PeftConfig` understands their configuration.
/// - [LoraMerge] adds adapters to the weights and writes a checkpoint, after `MergeProof`; [MergedWeights] is the same
///   seen as tensors.
///
/// Adapters of a model that is pruned are cut with it by [espalier.engine.prune.LoraCut].
package espalier.engine.adapt;
