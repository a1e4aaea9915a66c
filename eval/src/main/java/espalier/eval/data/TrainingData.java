package espalier.eval.data;

import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import java.nio.file.Path;

/// What a file of training data holds, tokenised.
///
/// @param file it was read from
/// @param format it was read as
/// @param examples what is learnt; each has at least one label. Instruction rows and the blocks of texts are in the
///     order in which the file completes them: a block stands where its last token does, the last block at the end
/// @param textRows documents of plain text, blank ones left out, or rows with a text
/// @param instructionRows rows with an instruction
/// @param truncatedRows of the instruction rows, those skipped because no label is left: the whole answer was cut off,
///     or it is empty and there is no end token
/// @param blankRows of the text rows of JSON, those skipped because they are blank
/// @param endTokens whether documents and answers end with an end token; false if none was known
/// @param sha256 of the content of the file, without its compression, in hexadecimal digits
public record TrainingData(
        Path file,
        TrainingFormat format,
        Examples examples,
        long textRows,
        long instructionRows,
        long truncatedRows,
        long blankRows,
        boolean endTokens,
        String sha256) {
    /// @return rows or documents of the file
    public long rows() {
        return textRows + instructionRows;
    }

    /// @return rows that nothing is learnt from
    public long skippedRows() {
        return truncatedRows + blankRows;
    }

    /// @return tokens that are predicted, of all examples
    public long labels() {
        return examples.list().stream().mapToLong(Example::labels).sum();
    }

    /// @return SHA-256 of all tokens and labels: equal for the same file, tokenizer and options
    public String fingerprint() {
        return examples.fingerprint();
    }
}
