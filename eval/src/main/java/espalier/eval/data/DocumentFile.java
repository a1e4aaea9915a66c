package espalier.eval.data;

import espalier.engine.Progress;
import espalier.eval.TextFormatException;
import espalier.eval.Utf8Reader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/// Reads training data as texts, for what is learnt from text alone: the files of [TrainingFile], of which each
/// document or text row is a text, and each field of an instruction row.
public final class DocumentFile {
    private DocumentFile() {}

    /// @param file of one of the formats of [TrainingFormat]
    /// @param format of the file; told by its content and name if empty
    /// @param texts is given each text that is not blank, in order
    /// @param progress told how many bytes of the file were read, after each row
    /// @throws TextFormatException if it is malformed, naming the line or element, or holds no text
    /// @throws IOException if it cannot be read
    public static void read(Path file, Optional<TrainingFormat> format, Consumer<String> texts, Progress progress)
            throws IOException {
        try (Utf8Reader in = Utf8Reader.open(file)) {
            Texts given = new Texts(texts);
            RowReader.read(in, format, row -> {
                given.add(row);
                progress.at(in.fileBytesRead(), in.fileBytes());
            });
            if (!given.any) {
                throw new TextFormatException(file + " holds no text");
            }
        }
    }

    private static final class Texts {
        private final Consumer<String> out;
        private boolean any;

        Texts(Consumer<String> out) {
            this.out = out;
        }

        void add(TrainingRow row) {
            switch (row) {
                case TrainingRow.Text text -> add(text.text());
                case TrainingRow.Instruction instruction -> {
                    add(instruction.instruction());
                    add(instruction.input());
                    add(instruction.answer());
                }
            }
        }

        private void add(String text) {
            if (!text.isBlank()) {
                any = true;
                out.accept(text);
            }
        }
    }
}
