package espalier.engine.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.DurableFiles;
import espalier.engine.weights.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// Moves a finished result from X/run into X, one rename after the other. A kill at any moment is repaired by building
/// the result again and publishing that.
///
/// X has no `config.json` while it is incomplete, so nobody takes it for a model. `published.json` in X/run lists what
/// was moved, so that a result of other files leaves none of the earlier ones behind.
///
/// @param contents of the folder
/// @param move renames a file or folder
record RunPublisher(RunContents contents, Move move) {
    private static final String LIST = "published.json";

    /// Renames, replacing a file; tests interrupt it.
    @FunctionalInterface
    interface Move {
        void move(Path from, Path to) throws IOException;
    }

    static RunPublisher of(RunContents contents) {
        return new RunPublisher(
                contents,
                (from, to) -> Files.move(
                        from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING));
    }

    void publish(Path complete) throws IOException {
        Path out = contents.out().toAbsolutePath();
        List<Path> files = RunContents.list(complete);
        DurableFiles.syncTree(complete);
        begin(out, files);
        for (Path file : files) {
            if (!isConfig(file)) {
                place(file, out.resolve(file.getFileName()));
            }
        }
        DurableFiles.syncFolder(out);
        for (Path file : files) {
            if (isConfig(file)) {
                place(file, out.resolve(file.getFileName()));
            }
        }
        DurableFiles.syncFolder(out);
        DurableFiles.deleteTree(complete);
    }

    private void begin(Path out, List<Path> files) throws IOException {
        Set<String> names = new TreeSet<>();
        for (Path file : files) {
            names.add(file.getFileName().toString());
        }
        if (names.contains(RunContents.RUN)) {
            throw new IllegalArgumentException("a result must not have a file named " + RunContents.RUN);
        }
        Files.deleteIfExists(out.resolve(RunContents.CONFIG));
        DurableFiles.syncFolder(out);
        Path list = contents.inRun(LIST);
        if (Files.exists(list)) {
            for (JsonNode earlier : StrictJson.readObject(list).path("names")) {
                if (!names.contains(earlier.asText())) {
                    DurableFiles.deleteTree(out.resolve(earlier.asText()));
                }
            }
        }
        ObjectNode listed = JsonNodeFactory.instance.objectNode();
        ArrayNode array = listed.putArray("names");
        names.forEach(array::add);
        DurableFiles.replace(list, listed);
    }

    private static boolean isConfig(Path file) {
        return file.getFileName().toString().equals(RunContents.CONFIG);
    }

    /// A folder cannot be renamed over another, so the old one is put aside into X/run.
    private void place(Path file, Path target) throws IOException {
        boolean folders = Files.isDirectory(file) || Files.isDirectory(target);
        if (!folders || !Files.exists(target)) {
            move.move(file, target);
            return;
        }
        Path aside = DurableFiles.temporarySibling(contents.inRun(target.getFileName().toString()));
        move.move(target, aside);
        move.move(file, target);
        DurableFiles.deleteTree(aside);
    }
}
