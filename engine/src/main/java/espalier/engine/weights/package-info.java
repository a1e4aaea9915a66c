/// Hugging Face checkpoint folders: reading, checking and writing `config.json` and safetensors files.
///
/// Start at [Checkpoint], which opens a folder and hands out tensors by name and shape; [CheckpointWriter] is its
/// counterpart. Below them:
///
/// - [SafetensorsFile] maps one file and validates it before anything is believed; [SafetensorsWriter] writes one.
/// - [StoredTensor] is a named, shaped slice of a mapping; [StoredType] lists the element types.
/// - [PretrainedConfig] is `config.json` understood, [LayerShape] what one layer kept, [PrunedConfig] the way back.
/// - [ModelPrompt] is a text that a model was trained to find before its input, and that `config.json` carries.
/// - [FolderWriter] publishes a folder whole or not at all, [DurableFiles] a file; [JsonLines] is one that grows.
/// - [TemporaryFolder] is one that is gone when the process ends.
/// - [GracefulStop] lets a loop finish its step when a signal ends the process.
/// - [ExpectedTensor] is one that a configuration calls for; `espalier.engine.model.Architecture` lists them all.
///
/// Whatever a file says is checked against the bytes that are there before memory is taken for it. Content that breaks
/// a rule raises [CheckpointException], whose message names the file, the tensor or field, what it should have been
/// and what it is; a file that cannot be read raises `IOException`, one that cannot be written [CannotWriteException].
package espalier.engine.weights;
