package espalier.engine.weights;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;

/// Gives the bytes of a tensor or file to a writer, piece by piece, when the writer is ready for them.
@FunctionalInterface
public interface ByteSource {
    /// Writes all bytes, in order, in pieces of any size. The channel takes each piece whole.
    ///
    /// @param out where to; not closed by this method
    void writeTo(WritableByteChannel out) throws IOException;

    /// The bytes of a segment, which must stay valid until they are written.
    static ByteSource of(MemorySegment data) {
        long piece = 1 << 24;
        return out -> {
            for (long at = 0; at < data.byteSize(); at += piece) {
                out.write(data.asSlice(at, Math.min(piece, data.byteSize() - at)).asByteBuffer());
            }
        };
    }
}
