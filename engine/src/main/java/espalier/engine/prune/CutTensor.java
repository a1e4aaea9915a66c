package espalier.engine.prune;

import espalier.engine.model.ModelFolder;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.ByteSource;
import espalier.engine.weights.Checkpoint;
import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import espalier.kernels.DType;
import espalier.kernels.StoredMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// One tensor of the result on its way into the file; remembers the hash of the bytes that it gave.
final class CutTensor {
    private static final int PIECE_BYTES = 4 << 20;

    private final TensorToWrite toWrite;
    private final MessageDigest given = StoredTensor.newSha256();
    private byte[] hash;

    private CutTensor(String name, StoredType type, long[] shape, Pieces pieces) {
        this.toWrite = new TensorToWrite(name, type, shape, digesting(pieces));
    }

    /// Hands out the bytes of a tensor in pieces.
    @FunctionalInterface
    private interface Pieces {
        void forEach(PieceConsumer consumer) throws IOException;
    }

    @FunctionalInterface
    private interface PieceConsumer {
        void accept(MemorySegment piece) throws IOException;
    }

    private ByteSource digesting(Pieces pieces) {
        return out -> {
            pieces.forEach(piece -> {
                given.update(piece.asByteBuffer());
                out.write(piece.asByteBuffer());
            });
            hash = given.digest();
        };
    }

    /// @param name in the result
    /// @param cut what happens to the source tensor
    /// @param source stays open until the tensor is written
    /// @param dtype element type of the result; empty for the source tensor's own
    static CutTensor of(String name, TensorCut cut, ModelFolder source, Optional<DType> dtype) {
        TensorShape tensor = cut.tensor();
        StoredMatrix stored = source.storedMatrix(tensor);
        DType type = dtype.orElse(stored.type());
        int rows = cut.rows().length;
        int cols = cut.cols().length;
        long[] shape = tensor.isVector() ? new long[] {rows} : new long[] {rows, cols};
        int pieceRows = Math.max(1, PIECE_BYTES / Math.max(1, cols * type.bytes()));
        return new CutTensor(name, StoredType.valueOf(type.name()), shape, consumer -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment buffer = arena.allocate((long) pieceRows * cols * type.bytes());
                for (int from = 0; from < rows; from += pieceRows) {
                    int to = Math.min(rows, from + pieceRows);
                    MemorySegment piece = buffer.asSlice(0, (long) (to - from) * cols * type.bytes());
                    copy(cut, stored, from, to, type, piece, source);
                    consumer.accept(piece);
                }
            }
        });
    }

    private static void copy(
            TensorCut cut, StoredMatrix stored, int from, int to, DType type, MemorySegment piece, ModelFolder source) {
        try {
            cut.copy(stored, from, to, type, piece);
        } catch (CheckpointException e) {
            String name = cut.tensor().name();
            throw new CheckpointException(source.checkpoint().get(name).file() + ": " + e.getMessage(), e);
        }
    }

    TensorToWrite toWrite() {
        return toWrite;
    }

    /// @param result the written checkpoint, read again
    /// @throws IllegalStateException if the stored bytes are not those that were given
    void requireWritten(Checkpoint result) {
        StoredTensor stored = result.get(toWrite.name(), toWrite.shape());
        byte[] read = stored.sha256();
        if (stored.type() != toWrite.type() || !Arrays.equals(read, hash)) {
            throw new IllegalStateException("%s: tensor %s was read back as %s with sha256 %s, written as %s with %s"
                    .formatted(
                            stored.file(), stored.name(), stored.type(), HexFormat.of().formatHex(read),
                            toWrite.type(), HexFormat.of().formatHex(hash)));
        }
    }
}
