/// Checkpoint folders: configuration and safetensors.
package espalier.engine.weights;
