package espalier.eval.data;

import espalier.engine.train.Example;
import java.util.Arrays;
import java.util.List;

/// Joins documents and cuts them into blocks of one length, all of whose tokens are learnt.
final class BlockPacker {
    private final List<Example> blocks;
    private final int[] block;
    private int length;

    /// @param blocks gets each block as it is full
    /// @param maxLength tokens of a block
    BlockPacker(List<Example> blocks, int maxLength) {
        this.blocks = blocks;
        this.block = new int[maxLength];
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
        blocks.add(new Example(Arrays.copyOf(block, length), 0));
        length = 0;
    }
}
