/// Tokenizers.
package espalier.tokenizer;
