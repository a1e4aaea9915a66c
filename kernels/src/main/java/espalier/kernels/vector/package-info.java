/// The JDK Vector API backend. Read it in this order:
///
/// 1. [VectorOps] is the way in: it checks arguments and names the kernel families.
/// 2. Products: [GemmOps] chooses between [Gemm] (blocks and panels) with [GemmTile] under it (the innermost loops are
///    [GemmShortTiles], [GemmMiddleTiles] and [GemmTallTiles], one method for each number of rows), and [Gemv] with
///    [GemvKernels] (a few rows, the weight unpacked). [PackRows] and [PackColumns] make the panels, by
///    [PackTranspose] and [PackConvert]; [PackedWeights] keeps them.
/// 3. Attention: [Attention] and [AttentionBackward] take an [AttentionGroup] of query heads block by block of
///    [AttentionLanes]; [AttentionPanels] packs keys and values, [AttentionProducts] runs tiles over them (those of
///    [GemmTile] and [AttentionTiles]), [AttentionKernels] does the rest. [AttentionFewRows] is for decoding.
/// 4. [Parallel], the threads; [PackBuffer], the scratch memory that workers keep.
/// 5. [Lanes], the process's one vector width, and [CompilerDirectives], which keep the tiles from C1.
/// 6. The element-wise families, each beside its twin in `espalier.kernels.scalar`: [Elementwise], [WeightRows],
///    [WeightGather], [RmsNorm], [Rope], [SwiGlu], [ColumnGates], [Losses] (from the passes of [SoftmaxRows]),
///    [Importance], [DropoutKernels] and [AdamWKernels]. They stand on [Tasks] and [ColumnSums] (how work is cut),
///    [Access] (loads and stores) and [VectorMath] (the exponential).
///
/// Kernels are static methods on absolute addresses with loops of few vector operations: from some number of them in
/// one method on, the compiler stops inlining and boxes vectors, which costs a factor of ten. Rows that do not fill the
/// last register end in a masked step. No sum uses `reduceLanes` and no result depends on the number of threads.
package espalier.kernels.vector;
