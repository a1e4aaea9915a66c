/// The JDK Vector API backend. [VectorOps] is the way in: it checks arguments and names the kernel families.
///
/// Common ground: [Lanes] (the process's one vector width), [Parallel] (threads), [Tasks] and [ColumnSums] (how
/// element-wise work is cut), [Access] (loads and stores), [VectorMath] (the exponential), [CompilerDirectives].
/// Products: [GemmOps], then [Gemm] and its tiles and packing, and [Gemv]; attention: [Attention] and
/// [AttentionBackward]. The element-wise families, each beside its twin in `espalier.kernels.scalar`: [Elementwise],
/// [WeightRows], [RmsNorm], [Rope], [SwiGlu], [ColumnGates], [Losses] (from the passes of [SoftmaxRows]), [Importance].
///
/// Kernels are static methods on absolute addresses with loops of few vector operations: from some number of them in
/// one method on, the compiler stops inlining and boxes vectors, which costs a factor of ten. Rows that do not fill the
/// last register end in a masked step. No sum uses `reduceLanes` and no result depends on the number of threads.
package espalier.kernels.vector;
