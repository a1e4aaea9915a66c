package espalier.cli;

import espalier.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
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

    /// Refuses an output folder whose writing would mix it up with what is read, or cost it: replacing a folder deletes
    /// all that is in it.
    ///
    /// @param out the folder to make
    /// @param overwrite whether it may exist
    /// @param option the option that names the source
    /// @param source a file or folder that is read
    /// @throws IOException naming the option, if the folder exists and may not
    /// @throws IllegalArgumentException if one of the two lies inside the other
    static void checkOut(Path out, boolean overwrite, String option, Path source) throws IOException {
        if (Files.exists(out) && !overwrite) {
            throw new FileAlreadyExistsException(out.toString(), null, "--out exists already; --overwrite replaces it");
        }
        checkApart(out, option, source);
    }

    /// Refuses an output folder that is, holds, or lies in what is read.
    ///
    /// @param out the folder to make, or to go on with
    /// @param option the option that names the source
    /// @param source a file or folder that is read
    /// @throws IllegalArgumentException naming the option
    static void checkApart(Path out, String option, Path source) throws IOException {
        if (out.toString().isEmpty()) {
            throw new IllegalArgumentException("--out is empty, expected the folder to make");
        }
        Path target = realPath(out);
        Path read = realPath(source);
        if (target.equals(read)) {
            throw new IllegalArgumentException("--out " + out + " is " + option + " itself");
        }
        if (read.startsWith(target)) {
            throw new IllegalArgumentException(
                    "--out %s holds %s %s, which would be lost".formatted(out, option, source));
        }
        if (target.startsWith(read)) {
            throw new IllegalArgumentException("--out %s lies inside %s %s".formatted(out, option, source));
        }
    }

    /// @return the path without links and dots, as far as it exists
    private static Path realPath(Path path) throws IOException {
        Path absolute = path.toAbsolutePath().normalize();
        if (Files.exists(path)) {
            return path.toRealPath();
        }
        Path parent = absolute.getParent();
        return parent == null ? absolute : realPath(parent).resolve(absolute.getFileName());
    }
}
