package espalier.cli;

import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;

/// Model folders named on the command line.
final class Folders {
    private Folders() {}

    /// @return the path, if it is a folder
    /// @throws IOException naming the path, if there is none
    static Path require(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (!Files.isDirectory(path)) {
            throw new NotDirectoryException(path.toString());
        }
        return path;
    }

    /// @return the tokenizer of a model folder
    static Tokenizer tokenizer(Path folder) throws IOException {
        return Tokenizer.load(require(folder));
    }
}
