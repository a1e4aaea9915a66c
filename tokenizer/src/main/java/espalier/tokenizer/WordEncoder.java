package espalier.tokenizer;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/// Encodes the words that a [PreTokenizer] cuts out, remembering the ids of short ones.
///
/// The cache changes no result and holds at most [#CACHED_WORDS] words of [#CACHED_LENGTH] characters, then stays as
/// it is.
final class WordEncoder {
    private static final int CACHED_WORDS = 1 << 16;
    private static final int CACHED_LENGTH = 32;

    private final Bpe bpe;
    private final boolean byteLevel;
    private final ConcurrentMap<String, int[]> cache = new ConcurrentHashMap<>();

    /// @param byteLevel whether the merges work on bytes, spelt in [ByteAlphabet]
    WordEncoder(Bpe bpe, boolean byteLevel) {
        this.bpe = bpe;
        this.byteLevel = byteLevel;
    }

    /// Appends the ids of `text[from, to)`.
    void encode(String text, int from, int to, IdList out) {
        String word = text.substring(from, to);
        if (word.length() > CACHED_LENGTH) {
            bpe.encode(spell(word), out);
            return;
        }
        int[] ids = cache.get(word);
        if (ids == null) {
            IdList fresh = new IdList();
            bpe.encode(spell(word), fresh);
            ids = fresh.toArray();
            if (cache.size() < CACHED_WORDS) {
                cache.put(word, ids);
            }
        }
        out.addAll(ids);
    }

    private String spell(String word) {
        return byteLevel ? ByteAlphabet.spell(word) : word;
    }
}
