/// Text generation on token ids: [Generator] runs the model one token at a time, [Sampler] picks each token by its
/// [SamplingOptions]. Text comes in only at the caller, who has the tokenizer.
package espalier.engine.generate;
