/// Checkpoints.
package espalier.engine.weights;
