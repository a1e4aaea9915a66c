/// Training data: [TrainingFile] reads a file of texts or instructions and gives the token sequences to learn from,
/// [TrainingData]. [TrainingFormat] and [PromptStyle] are its choices; [Split] holds rows out to validate on.
package espalier.eval.data;
