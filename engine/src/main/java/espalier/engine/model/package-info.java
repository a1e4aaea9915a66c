/// Decoder-only transformers, forward and backward. Start at [Model], then [DecoderLayer] and its two halves;
/// dimensions are named in [ModelShape].
///
/// A [Batch] goes in with a [Pass] (gates, adapters with their [AdapterDropout], gradient sinks: what varies between
/// roles); [Hidden] states come out; [LmHead] turns them into logits or losses, a chunk at a time. Memory comes from a
/// workspace of the backend.
///
/// [Architecture] declares the tensors of a family and, as a [ChannelGraph], who feeds whom: all that groups, surgery
/// and [ModelSize] read.
///
/// A [LiveModel] runs a pass whose gates are partly 0 without computing what they multiply.
///
/// [Keep] says which activations a forward leaves for its backward; [StepPlan] chooses that, and whether weights are
/// packed, for a [Workload] within a limit of memory. [MemoryPlan] tells what is held.
///
/// Proofs run a [StreamedModel], whose tensors are made layer by layer, and compare by [Difference] and
/// [LargestDifference] what [HostCopy] brings back.
package espalier.engine.model;
