/// The contract between models and hardware: start at [Ops]; [Tensor] and [Weight] are handles that only a backend
/// looks into, [Workspace] owns memory, [Backends] opens `scalar` (the reference, plain loops) or `vector` (the JDK
/// Vector API). [ScratchBytes] says beforehand what they take besides.
package espalier.kernels;
