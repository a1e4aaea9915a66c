/// Training data: [TrainingFile] reads a file of texts or instructions and gives the token sequences to learn from,
/// [TrainingData]; [DocumentFile] reads the same files as texts, to learn a tokenizer from. [TrainingFormat] and
/// [PromptStyle] are their choices, `RowReader` is what both read with; [Split] holds rows out to validate on.
package espalier.eval.data;
