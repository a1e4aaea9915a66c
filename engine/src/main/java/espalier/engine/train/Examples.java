package espalier.engine.train;

import espalier.engine.weights.StoredTensor;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// Sequences to learn from, in a fixed order, held in memory.
///
/// @param list the sequences
public record Examples(List<Example> list) {
    /// Copies the list.
    public Examples {
        list = List.copyOf(list);
    }

    /// @return number of sequences
    public int size() {
        return list.size();
    }

    /// @param index `0 .. size - 1`
    /// @return the sequence
    public Example get(int index) {
        return list.get(index);
    }

    /// @return tokens of the longest one, 0 if there is none
    public int longest() {
        return list.stream().mapToInt(example -> example.ids().length).max().orElse(0);
    }

    /// @return tokens of all
    public long tokens() {
        return list.stream().mapToLong(example -> example.ids().length).sum();
    }

    /// @param indices of sequences, in `0 .. size - 1`
    /// @return these, in that order
    public Examples pick(int[] indices) {
        List<Example> picked = new ArrayList<>(indices.length);
        for (int index : indices) {
            picked.add(list.get(index));
        }
        return new Examples(picked);
    }

    /// What a resumed run compares.
    ///
    /// @return SHA-256 of all tokens and labels, in hexadecimal digits
    public String fingerprint() {
        MessageDigest digest = StoredTensor.newSha256();
        for (Example example : list) {
            ByteBuffer bytes = ByteBuffer.allocate((example.ids().length + 2) * Integer.BYTES);
            bytes.putInt(example.ids().length).putInt(example.firstLabel());
            for (int id : example.ids()) {
                bytes.putInt(id);
            }
            digest.update(bytes.flip());
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
