package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import espalier.eval.TextFormatException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DocumentFileTest {
    @TempDir
    private Path folder;

    private List<String> read(String name, String content, Optional<TrainingFormat> format) throws IOException {
        List<String> texts = new ArrayList<>();
        List<Long> seen = new ArrayList<>();
        Path file = Files.writeString(folder.resolve(name), content);
        long size = Files.size(file);
        DocumentFile.read(file, format, texts::add, (done, total) -> {
            assertEquals(size, total);
            seen.add(done);
        });
        assertEquals(size, seen.getLast());
        return texts;
    }

    @Test
    void documentsRowsAndFieldsAreTexts() throws IOException {
        assertEquals(
                List.of("One\ntwo.", "Three.\n"),
                read("a.txt", "\ufeffOne\ntwo.\n<|endoftext|>\n \n<|endoftext|>\nThree.\n", Optional.empty()));
        String rows = "{\"text\":\"One\"}\n{\"text\":\" \"}\n"
                + "{\"instruction\":\"Do\",\"input\":\"\",\"output\":\"Done\"}\n";
        assertEquals(List.of("One", "Do", "Done"), read("a.jsonl", rows, Optional.empty()));
        assertEquals(List.of(rows), read("a.jsonl", rows, Optional.of(TrainingFormat.TEXT)));
        assertEquals(List.of("x", "y"), read("a.json", "[{\"text\":\"x\"},{\"text\":\"y\"}]", Optional.empty()));
    }

    @Test
    void aFileWithoutTextIsRefused() {
        for (String name : List.of("a.txt", "a.jsonl")) {
            assertEquals(folder.resolve(name) + " holds no text", refusal(name, "\n"));
        }
        assertEquals(
                folder.resolve("a.jsonl") + ": line 2: has the fields txt, expected the field text, or instruction and"
                        + " output (or response)",
                refusal("a.jsonl", "{\"text\":\"x\"}\n{\"txt\":1}\n"));
    }

    private String refusal(String name, String content) {
        return assertThrows(TextFormatException.class, () -> read(name, content, Optional.empty())).getMessage();
    }
}
