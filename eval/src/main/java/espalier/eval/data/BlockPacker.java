package espalier.eval.data;

import espalier.engine.train.Example;
import espalier.eval.TextPrefix;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// Joins documents and cuts them into blocks of one length, all of whose tokens are learnt; before each block there may
/// be a prefix, which is not.
final class BlockPacker {
    private final List<Example> blocks;
    private final Optional<TextPrefix> prefix;
    private final int[] block;
    private int length;

    /// @param blocks gets each block as it is full
    /// @param maxLength tokens of a block, its prefix included
    /// @param prefix before each block
    /// @throws IllegalArgumentException if the prefix leaves less than two tokens
    BlockPacker(List<Example> blocks, int maxLength, Optional<TextPrefix> prefix) {
        this.blocks = blocks;
        this.prefix = prefix;
        int room = maxLength - prefix.map(TextPrefix::length).orElse(0);
        if (room < 2) {
            int before = maxLength - room;
            throw new IllegalArgumentException(
                    "max length is %d tokens, expected at least %d: the prompt before a text has %d"
                            .formatted(maxLength, before + 2, before));
        }
        this.block = new int[room];
    }

    /// @param ids of one document with its special tokens
    void add(int[] ids) {
        for (int from = 0; from < ids.length; ) {
            int count = Math.min(block.length - length, ids.length - from);
            System.arraycopy(ids, from, block, length, count);
            length += count;
            from += count;
            if (length == block.length) {
                emit();
            }
        }
    }

    /// Ends the last block, which is kept if there is a token to predict from another.
    void finish() {
        if (length >= 2) {
            emit();
        }
    }

    private void emit() {
        int[] text = Arrays.copyOf(block, length);
        blocks.add(prefix.map(given -> behind(given, text)).orElseGet(() -> new Example(text, 0)));
        length = 0;
    }

    /// The same tokens are learnt as without the prefix.
    private static Example behind(TextPrefix prefix, int[] text) {
        int[] whole = prefix.before(text);
        return new Example(whole, whole.length - (text.length - 1));
    }
}
