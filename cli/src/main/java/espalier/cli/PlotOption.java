package espalier.cli;

import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.SideFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.Supplier;
import picocli.CommandLine.Option;

/// A picture of a result.
final class PlotOption {
    @Option(
            names = "--plot",
            paramLabel = "FILE.svg",
            description = "Also draw the result there, replacing such a file (default: no plot).")
    private Path plot;

    /// A minute of work must not end with a name that cannot be written.
    void check() throws IOException {
        if (plot == null) {
            return;
        }
        if (!plot.toString().endsWith(".svg")) {
            throw new IllegalArgumentException("--plot " + plot + ": expected a name that ends in .svg");
        }
        Path folder = plot.toAbsolutePath().getParent();
        if (!Files.isDirectory(folder)) {
            throw new NoSuchFileException(folder.toString());
        }
        if (Files.isDirectory(plot)) {
            throw new IllegalArgumentException("--plot " + plot + " is a folder, expected a file");
        }
    }

    /// @param svg makes the picture, if one is wanted
    void write(Supplier<String> svg) throws IOException {
        if (plot != null) {
            DurableFiles.replace(plot, SideFile.text(plot.getFileName().toString(), svg.get()).content());
        }
    }
}
