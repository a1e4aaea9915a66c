package espalier.engine.weights;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A file that [CheckpointWriter] puts beside the weights.
///
/// @param name relative to the folder, parts separated by `/`, none of them `..`
/// @param content its bytes
public record SideFile(String name, ByteSource content) {
    private static final int PIECE_BYTES = 1 << 20;

    /// @throws IllegalArgumentException if the name leaves the folder
    public SideFile {
        if (!List.of(name.split("/", -1)).stream().allMatch(ShardIndex::isPlainName)) {
            throw new IllegalArgumentException("side file " + name + " does not have a plain relative name");
        }
    }

    /// A file as it is when it is written.
    ///
    /// @param folder where it lies
    /// @param relative its name there, for instance one of [Checkpoint#otherFiles]
    public static SideFile copyOf(Path folder, Path relative) {
        String name = relative.toString().replace(relative.getFileSystem().getSeparator(), "/");
        return new SideFile(name, out -> {
            try (var in = Files.newInputStream(folder.resolve(relative))) {
                for (byte[] piece = in.readNBytes(PIECE_BYTES); piece.length > 0; piece = in.readNBytes(PIECE_BYTES)) {
                    out.write(ByteBuffer.wrap(piece));
                }
            }
        });
    }

    /// A text in UTF-8.
    public static SideFile text(String name, String text) {
        return new SideFile(name, out -> out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8))));
    }

    /// A JSON object, indented as the Python tools write it.
    ///
    /// @param name relative to the folder
    /// @param object its content, taken as it is now
    /// @return the file
    /// @throws IOException if it cannot be encoded
    public static SideFile json(String name, ObjectNode object) throws IOException {
        return text(name, StrictJson.pretty(object));
    }
}
