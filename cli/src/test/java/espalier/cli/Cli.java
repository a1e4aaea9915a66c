package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/// One run of a command line in this process.
///
/// @param exit its exit code
/// @param out what it printed on standard output
/// @param err what it printed on standard error
record Cli(int exit, String out, String err) {
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    static Cli run(Object... arguments) {
        String[] texts = new String[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            texts[i] = arguments[i].toString();
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int exit = Main.run(texts, new Terminal(print(out), print(err), false));
        return new Cli(exit, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    private static PrintStream print(ByteArrayOutputStream bytes) {
        return new PrintStream(bytes, true, StandardCharsets.UTF_8);
    }

    /// The run succeeded and printed exactly one JSON object, on one line.
    JsonNode json() {
        assertEquals(0, exit, err);
        assertEquals(1, out.lines().count(), out);
        try {
            JsonNode node = JSON.readTree(out);
            assertEquals(true, node.isObject());
            return node;
        } catch (JsonProcessingException e) {
            throw new AssertionError(out, e);
        }
    }

    /// The run was refused as bad input, with one line that is the message, without a stack trace and without output.
    void refused(String message) {
        assertEquals(Errors.BAD_INPUT, exit, err);
        assertEquals("", out);
        String last = err.lines().reduce((a, b) -> b).orElse("");
        assertEquals("espalier: " + message, last);
        assertFalse(err.contains("\tat "), err);
    }
}
