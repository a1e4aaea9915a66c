/// Decoder-only transformers, forward and backward; dimensions are named in [ModelShape].
package espalier.engine.model;
