package espalier.engine.weights;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Optional;
import java.util.TreeSet;

/// SHA-256 of written files, in hexadecimal digits, as `sha256sum` prints them.
public final class FileHash {
    private static final int PIECE_BYTES = 1 << 20;

    private FileHash() {}

    /// @param file any file
    /// @return its hash
    /// @throws IOException if it cannot be read
    public static String of(Path file) throws IOException {
        MessageDigest digest = StoredTensor.newSha256();
        try (InputStream in = Files.newInputStream(file)) {
            byte[] piece = new byte[PIECE_BYTES];
            for (int read = in.read(piece); read >= 0; read = in.read(piece)) {
                digest.update(piece, 0, read);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /// @param folder a checkpoint
    /// @return the hash of `model.safetensors`; of a sharded checkpoint that of its shards' hashes, in order of their
    ///     names, as one ASCII text without separators
    /// @throws IOException if a file cannot be read
    public static String ofWeights(Path folder) throws IOException {
        return ofWeightsIfPresent(folder).orElseThrow(
                () -> new NoSuchFileException(folder.toString(), null, "has no weights"));
    }

    /// @param folder what should be a checkpoint
    /// @return like [#ofWeights]; nothing if weights are missing
    /// @throws IOException if a file cannot be read
    public static Optional<String> ofWeightsIfPresent(Path folder) throws IOException {
        Path single = folder.resolve(Checkpoint.SINGLE_FILE);
        if (Files.exists(single)) {
            return Optional.of(of(single));
        }
        Path index = folder.resolve(ShardIndex.FILE_NAME);
        if (!Files.exists(index)) {
            return Optional.empty();
        }
        StringBuilder hashes = new StringBuilder();
        for (String shard : new TreeSet<>(ShardIndex.read(index).files())) {
            if (!Files.exists(folder.resolve(shard))) {
                return Optional.empty();
            }
            hashes.append(of(folder.resolve(shard)));
        }
        MessageDigest digest = StoredTensor.newSha256();
        digest.update(hashes.toString().getBytes(StandardCharsets.US_ASCII));
        return Optional.of(HexFormat.of().formatHex(digest.digest()));
    }
}
