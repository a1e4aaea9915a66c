/// Decoder-only transformers, forward and backward; dimensions are named in [ModelShape].
///
/// What a family of models consists of is declared as data: [Architecture] gives a [ChannelGraph] (a forward pass
/// reduced to tensors, widths and index maps, made of [Step]s), from which tensor lists ([TensorShape]), sizes
/// ([ModelSize]) and prunable groups follow. A [Space] names the channels that tensor axes share.
package espalier.engine.model;
