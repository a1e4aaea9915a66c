package espalier.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.testing.SharedData;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/// The strings of published protocols, by the digests and lengths that `data/TASKS.md` §4.1 states.
class JoinGoldenTest {
    private static TextSource data(String path) throws IOException {
        return TextSource.read(SharedData.data().resolve(Path.of(path)));
    }

    private static void assertString(String sha256, int characters, JoinedText joined) {
        assertEquals(characters, joined.text().codePointCount(0, joined.text().length()));
        assertEquals(sha256, joined.sha256());
    }

    @Test
    void wikitext2() throws IOException {
        TextSource source = data("wikitext2/wiki.test.raw.gz");
        JoinedText joined = source.join(source.usualJoin());
        assertEquals(Join.WIKITEXT, joined.join());
        assertString("696cca6b65a171b0a358a4be6732cdfdf2dd6164a32e20fd70e3c13fc4dfae83", 1_294_336, joined);
        assertEquals(1_296_370, joined.text().getBytes(StandardCharsets.UTF_8).length);
        assertEquals("\n\n = Robert Boulter = ", joined.text().substring(0, 22));
    }

    @Test
    void ptbValidation() throws IOException {
        TextSource source = data("ptb/ptb.valid.txt.gz");
        JoinedText joined = source.join(source.usualJoin());
        assertEquals(Join.PTB, joined.join());
        assertString("352a9351af725c5d5d6ccdd38357a35ebfef8c79916364fdf458fa72a4fb91c3", 396_410, joined);
    }

    @Test
    void ptbTestAsTheGptqFamilyJoinsIt() throws IOException {
        assertString(
                "900cfc61a7a63afcd086c5e1cce90554764eae65cb2ca9f5d4cac47be5f0f394",
                442_422,
                data("ptb/ptb.test.txt.gz").join(Join.LINES));
    }
}
