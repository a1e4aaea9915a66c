package espalier.tokenizer;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/// The special tokens of a tokenizer to be trained. Each is one id wherever it is recognised, and no merge makes it.
///
/// @param bos begins a text
/// @param eos ends a text; may be the same token
/// @param more further ones, in the order of their ids
public record SpecialTokens(String bos, String eos, List<String> more) {
    /// What ends a document in GPT-2's vocabulary and in TinyStories.
    public static final String END_OF_TEXT = "<|endoftext|>";

    /// `<|endoftext|>` alone, which both begins and ends a text.
    public static final SpecialTokens DEFAULT = new SpecialTokens(END_OF_TEXT, END_OF_TEXT, List.of());

    /// @throws IllegalArgumentException naming the token, if one is blank, longer than 256 characters, not well-formed
    ///     text, the spelling of a byte, or there twice
    public SpecialTokens {
        more = List.copyOf(more);
        Set<String> seen = new HashSet<>();
        for (String token : inOrder(bos, eos, more)) {
            String quoted = JsonField.quote(Unicode.wellFormed(token));
            if (token.isBlank()) {
                throw new IllegalArgumentException("special token " + quoted + " is blank");
            }
            if (token.length() > VocabularyReader.CONTENT_LIMIT) {
                throw new IllegalArgumentException("special token " + quoted + " has " + token.length()
                        + " characters, expected at most " + VocabularyReader.CONTENT_LIMIT);
            }
            if (Unicode.firstLoneSurrogate(token) >= 0) {
                throw new IllegalArgumentException("special token " + quoted + " has a lone surrogate");
            }
            if (token.length() == 1 && ByteAlphabet.contains(token.charAt(0))) {
                throw new IllegalArgumentException("special token " + quoted + " is the spelling of a byte");
            }
            if (!seen.add(token)) {
                throw new IllegalArgumentException("special token " + quoted + " is listed twice");
            }
        }
    }

    /// @return all of them, in the order of their ids
    public List<String> inOrder() {
        return inOrder(bos, eos, more);
    }

    private static List<String> inOrder(String bos, String eos, List<String> more) {
        return Stream.concat(bos.equals(eos) ? Stream.of(bos) : Stream.of(bos, eos), more.stream()).toList();
    }
}
