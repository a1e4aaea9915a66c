/// Text to token ids and back, read from a Hugging Face `tokenizer.json` or learnt from texts; knows nothing of models.
///
/// Start at [Tokenizer]. Its `encode` is a pipeline of small parts in this order:
/// `AddedTokens` (spelt-out special tokens), `Normalizer`, `PreTokenizer` (words), `WordEncoder` and `Bpe` (merges),
/// `Template` (begin and end tokens). Back goes `Decoder`, fed id by id through [StreamDecoder].
/// `TokenizerReader` builds the parts from the file and refuses by name what it does not know;
/// `JsonField` is its view of untrusted JSON. Behaviour follows Hugging Face tokenizers 0.22.2.
///
/// [BpeTrainer] learns a byte-level vocabulary from texts: it cuts them with the same parts, `MergeLearner` finds the
/// merges by their counts in a `PairQueue`, and [TrainedBpe] spells the files, by `TokenizerJson`.
package espalier.tokenizer;
