package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonLinesTest {
    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void nameFile() {
        file = folder.resolve("m.jsonl");
    }

    private static ObjectNode step(int step) {
        return StrictJson.newObject().put("step", step);
    }

    @Test
    void everyLineIsThereAtOnce() throws IOException {
        try (JsonLines lines = JsonLines.open(file)) {
            lines.append(step(1).put("text", "a\nb").put("loss", Double.NaN));
            assertEquals("{\"step\":1,\"text\":\"a\\nb\",\"loss\":\"NaN\"}\n", Files.readString(file));
            lines.append(step(2));
            lines.force();
        }
        try (JsonLines lines = JsonLines.open(file)) {
            lines.append(step(3));
        }
        assertEquals(List.of(1, 2, 3), steps());
    }

    @Test
    void aHalfWrittenLineIsNotRead() throws IOException {
        Files.writeString(file, "{\"step\":1}\n{\"st");
        assertEquals(List.of(1), steps());
        try (JsonLines lines = JsonLines.open(file)) {
            lines.append(step(2));
        }
        assertEquals(List.of(1, 2), steps());
        Files.writeString(file, "{\"st");
        assertEquals(List.of(), steps());
        JsonLines.open(file).close();
        assertEquals(0, Files.size(file));
    }

    @Test
    void cutsBeforeTheFirstThatIsNotWanted() throws IOException {
        JsonLines.keepWhile(file, _ -> true);
        assertEquals(List.of(), steps());
        Files.writeString(file, "{\"step\":1}\n{\"step\":5}\nnot JSON\n{\"step\":2}\n{\"st");
        JsonLines.keepWhile(file, line -> line.path("step").asInt() < 3);
        assertEquals("{\"step\":1}\n", Files.readString(file));
        JsonLines.keepWhile(file, _ -> true);
        assertEquals("{\"step\":1}\n", Files.readString(file));
        Files.writeString(file, "{\"step\":1}\n{\"st");
        JsonLines.keepWhile(file, _ -> true);
        assertEquals("{\"step\":1}\n", Files.readString(file));
    }

    /// What a power cut may leave of lines that were not forced.
    @ParameterizedTest
    @ValueSource(strings = {
        "not JSON\n", "\0\0\0\0\0\0\0\0\n", "\u00ff\u00fe\u00d8x\n{\"step\":3}\n", "\n{\"step\":4}\n[1]\n{\"s"
    })
    void damageAfterWhatIsWantedIsCut(String damage) throws IOException {
        String whole = "{\"step\":1}\n{\"step\":2}\n";
        Files.writeString(file, whole + damage, StandardCharsets.ISO_8859_1);
        JsonLines.keepWhile(file, line -> line.path("step").asInt() <= 2);
        assertEquals(whole, Files.readString(file));
        Files.writeString(file, damage, StandardCharsets.ISO_8859_1);
        JsonLines.keepWhile(file, line -> line.path("step").asInt() <= 2);
        assertEquals(0, Files.size(file));
    }

    @Test
    void damageBeforeWhatIsWantedIsAnError() throws IOException {
        String damaged = "{\"step\":1}\n[]\nnot JSON\n{\"step\":2}\n{\"step\":3}\n";
        Files.writeString(file, damaged);
        var e = assertThrows(
                CheckpointException.class,
                () -> JsonLines.keepWhile(file, line -> line.path("step").asInt() <= 2));
        assertEquals(file + " line 2 is not a JSON object", e.getMessage());
        assertEquals(damaged, Files.readString(file));
        JsonLines.keepWhile(file, line -> line.path("step").asInt() <= 1);
        assertEquals("{\"step\":1}\n", Files.readString(file));
    }

    @Test
    void damageIsNamed() throws IOException {
        Files.writeString(file, "{\"step\":1}\n[2]\n");
        var e = assertThrows(CheckpointException.class, this::steps);
        assertEquals(file + " line 2 is not a JSON object", e.getMessage());
        var absent = assertThrows(CannotWriteException.class, () -> JsonLines.open(folder.resolve("no/m.jsonl")));
        assertEquals(
                "cannot write " + folder.resolve("no/m.jsonl") + ": NoSuchFileException "
                        + folder.resolve("no/m.jsonl"),
                absent.getMessage());
    }

    private List<Integer> steps() throws IOException {
        return JsonLines.read(file).stream().map(line -> line.path("step").asInt()).toList();
    }
}
