package espalier.eval.data;

import espalier.engine.Progress;
import espalier.engine.train.Example;
import espalier.engine.train.Examples;
import espalier.eval.TextFormatException;
import espalier.eval.TextPrefix;
import espalier.eval.Utf8Reader;
import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// Reads training data: plain text, texts or Alpaca instructions as JSON, and JSON files that mix the two row by row;
/// each plain or compressed (`.gz`). Rows are read one by one; only their tokens stay in memory.
///
/// Instructions (`instruction`, optionally `input`, and `output` or `response`) are rendered by a [PromptStyle],
/// tokenised whole with the begin token that the tokenizer adds, cut, and ended with the end token if there is room;
/// what is learnt is the answer (LLM-Pruner, arXiv:2305.11627, release; Alpaca-LoRA). Texts (`text`, or plain text)
/// are joined, begin token first and end token last of each, and cut into blocks; the last block may be shorter. Where
/// the style has a prompt that models carry ([PromptStyle#carried]), it stands before every block and is not learnt:
/// Compresso (arXiv:2310.05015) is used on texts with the same prefix, which the model shall have seen before them.
public final class TrainingFile {
    private static final int ROWS_PER_REPORT = 256;

    /// How rows become tokens.
    ///
    /// @param maxLength tokens that an example has at most, at least 2
    /// @param beginId token before each text; none if empty, or if the end token of the text before is the same.
    ///     Instructions begin as the tokenizer says
    /// @param endId token after each text and answer; none if empty, see [TrainingData#endTokens]
    /// @param format of the file; told by its content and name if empty
    /// @param prompt how instructions are rendered
    /// @param trainOnInputs whether the prompt of an instruction is learnt too
    /// @param recogniseSpecials whether a special token spelt out in the data becomes that token, as in transformers,
    ///     which published numbers come from. Data of untrusted origin can then end an answer or a chat turn; if not,
    ///     the spelling is learnt as the plain text that it is
    public record Options(
            int maxLength,
            OptionalInt beginId,
            OptionalInt endId,
            Optional<TrainingFormat> format,
            PromptStyle prompt,
            boolean trainOnInputs,
            boolean recogniseSpecials) {
        /// Checks the range.
        public Options {
            if (maxLength < 2) {
                throw new IllegalArgumentException("max length must be at least 2 tokens, got " + maxLength);
            }
        }

        /// What published recovery runs use: the format told by the content, the Alpaca template, answers only, special
        /// tokens as in transformers.
        ///
        /// @param maxLength tokens that an example has at most
        /// @param beginId token before each text, if there is one and it is not the end token
        /// @param endId token after each text and answer, if there is one
        /// @return the options
        public static Options of(int maxLength, OptionalInt beginId, OptionalInt endId) {
            return new Options(maxLength, beginId, endId, Optional.empty(), PromptStyle.ALPACA, false, true);
        }

        /// @param tokenizer of the model
        /// @return what stands before each block of text, if anything
        public Optional<TextPrefix> prefix(Tokenizer tokenizer) {
            return prompt.carried().map(carried -> TextPrefix.of(tokenizer, beginId, carried.prefix()));
        }

        /// @param forced format, whatever the file looks like
        /// @return these options with it
        public Options withFormat(TrainingFormat forced) {
            return new Options(
                    maxLength, beginId, endId, Optional.of(forced), prompt, trainOnInputs, recogniseSpecials);
        }

        /// @param tokens that an example has at most
        /// @return these options with it
        public Options withMaxLength(int tokens) {
            return new Options(tokens, beginId, endId, format, prompt, trainOnInputs, recogniseSpecials);
        }

        /// @param style how instructions are rendered
        /// @return these options with it
        public Options withPrompt(PromptStyle style) {
            return new Options(maxLength, beginId, endId, format, style, trainOnInputs, recogniseSpecials);
        }

        /// @param learnt whether prompts are learnt too
        /// @return these options with it
        public Options withTrainOnInputs(boolean learnt) {
            return new Options(maxLength, beginId, endId, format, prompt, learnt, recogniseSpecials);
        }

        /// @param recognised whether spelt-out special tokens become tokens
        /// @return these options with it
        public Options withRecogniseSpecials(boolean recognised) {
            return new Options(maxLength, beginId, endId, format, prompt, trainOnInputs, recognised);
        }
    }

    private final Utf8Reader in;
    private final RowEncoder encoder;
    private final Options options;
    private final Progress progress;
    private final List<Example> examples = new ArrayList<>();
    private final BlockPacker blocks;
    private long textRows;
    private long instructionRows;
    private long truncatedRows;
    private long blankRows;

    private TrainingFile(Utf8Reader in, Tokenizer tokenizer, Options options, Progress progress) {
        this.in = in;
        this.encoder = new RowEncoder(tokenizer, options);
        this.options = options;
        this.progress = progress;
        this.blocks = new BlockPacker(examples, options.maxLength(), options.prefix(tokenizer));
    }

    /// @param file of one of the formats of [TrainingFormat]
    /// @param tokenizer of the model
    /// @param options how rows become tokens
    /// @param progress told how many bytes of the file were read
    /// @return what it holds, at least one example
    /// @throws IllegalArgumentException if examples are too short for the prompt before texts
    /// @throws TextFormatException if it is malformed, naming the line or element, or if nothing is left to learn
    /// @throws IOException if it cannot be read
    public static TrainingData read(Path file, Tokenizer tokenizer, Options options, Progress progress)
            throws IOException {
        try (Utf8Reader in = Utf8Reader.open(file)) {
            return new TrainingFile(in, tokenizer, options, progress).read();
        }
    }

    private TrainingData read() throws IOException {
        TrainingFormat format = RowReader.read(in, options.format(), this::add);
        blocks.finish();
        if (textRows + instructionRows == 0) {
            throw new TextFormatException(in.file() + " holds no text");
        }
        if (examples.isEmpty()) {
            throw new TextFormatException("%s: none of its %d rows has anything to learn within %d tokens"
                    .formatted(in.file(), textRows + instructionRows, options.maxLength()));
        }
        progress.at(in.fileBytes(), in.fileBytes());
        return new TrainingData(
                in.file(),
                format,
                new Examples(examples),
                textRows,
                instructionRows,
                truncatedRows,
                blankRows,
                options.endId().isPresent(),
                in.sha256());
    }

    private void add(TrainingRow row) {
        switch (row) {
            case TrainingRow.Text text -> addText(text);
            case TrainingRow.Instruction instruction -> addInstruction(instruction);
        }
        reportProgress();
    }

    private void addText(TrainingRow.Text row) {
        textRows++;
        if (row.text().isBlank()) {
            blankRows++;
        } else {
            blocks.add(encoder.document(row.text()));
        }
    }

    private void addInstruction(TrainingRow.Instruction row) {
        instructionRows++;
        Optional<Example> example = encoder.instruction(row);
        example.ifPresentOrElse(examples::add, () -> truncatedRows++);
    }

    private void reportProgress() {
        if ((textRows + instructionRows) % ROWS_PER_REPORT == 0) {
            progress.at(in.fileBytesRead(), in.fileBytes());
        }
    }
}
