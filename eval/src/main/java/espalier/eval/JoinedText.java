package espalier.eval;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// The one string that a measurement ran on.
///
/// @param text the string
/// @param join how it was made
public record JoinedText(String text, Join join) {
    /// @return SHA-256 of the string in UTF-8, hexadecimal: two results compare only where it is the same
    public String sha256() {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
