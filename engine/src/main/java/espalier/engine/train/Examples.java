package espalier.engine.train;

import espalier.engine.model.Batch;
import espalier.engine.weights.StoredTensor;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
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

    /// @return tokens that are predicted, of all
    public long labels() {
        return list.stream().mapToLong(Example::labels).sum();
    }

    /// @return the sequences, packed one after the other
    public Batch batch() {
        return Batch.of(list.stream().map(Example::ids).toArray(int[][]::new));
    }

    /// @return `[tokens]`: the token that follows, where it is labelled; else -1
    public int[] targets() {
        int[] targets = new int[Math.toIntExact(tokens())];
        Arrays.fill(targets, -1);
        int start = 0;
        for (Example example : list) {
            for (int i = Math.max(1, example.firstLabel()); i < example.ids().length; i++) {
                targets[start + i - 1] = example.ids()[i];
            }
            start += example.ids().length;
        }
        return targets;
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
