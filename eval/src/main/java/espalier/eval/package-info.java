/// Measurements of language models. [TextSource] reads texts and joins them as published protocols do,
/// [WindowPerplexity] and [ParagraphPerplexity] measure, [CalibrationSampler] draws the token sequences that pruning
/// looks at. What is measured is a [LanguageModel]; [EngineLanguageModel] is the one that runs in this process,
/// [PrefixedLanguageModel] one that is given a [TextPrefix] before every sequence.
/// [Utf8Reader], [JsonRow] and [JsonArray] are how data files are read, here and in `espalier.eval.data`.
package espalier.eval;
