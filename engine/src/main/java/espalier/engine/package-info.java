/// What all parts of the engine share: [Progress]. Start at `espalier.engine.model` to run a model, at
/// `espalier.engine.prune` to make it smaller.
package espalier.engine;
