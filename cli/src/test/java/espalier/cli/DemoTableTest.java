package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.cli.report.DemoStage;
import java.util.List;
import org.junit.jupiter.api.Test;

class DemoTableTest {
    private static final String STORY = "Once upon a time there was a  fox.\n\nHe had a boat, and in the boat there was"
            + " a lamp, and by its light he read to the mice.";

    @Test
    void eachRowHasItsChangeAndItsSample() {
        String table = DemoTable.render(List.of(
                new DemoStage("before", 2_836_992, 5_673_984, 9.876, 3210.4, STORY),
                new DemoStage("pruned", 2_012_160, 4_024_320, 29.63, 4321, "Once"),
                new DemoStage("recovered", 2_012_160, 4_024_320, 12.345, 3210.4, "Once")));
        assertEquals("""
                          parameters          weights        perplexity        tokens/s

                before     2,836,992          5.67 MB              9.88           3,210
                  Once upon a time there was a fox. He had a boat, and in the boat there was a
                  lamp, and by its light he read to the mice.

                pruned     2,012,160 -29.1%   4.02 MB -29.1%      29.63  +200%    4,321 +34.6%
                  Once

                recovered  2,012,160 -29.1%   4.02 MB -29.1%      12.35 +25.0%    3,210  +0.0%
                  Once""", table.replace(System.lineSeparator(), "\n"));
    }

    @Test
    void itFitsATerminal() {
        String word = "x".repeat(100);
        String table = DemoTable.render(List.of(
                new DemoStage("before", 99_999_999, 199_999_998, 1.5, 99_999, STORY.repeat(5)),
                new DemoStage("recovered", 9_999_999, 19_999_998, 99_999.99, 9, STORY)));
        table.lines().forEach(line -> assertTrue(line.length() <= DemoTable.WIDTH, line));
        assertTrue(DemoTable.render(List.of(new DemoStage("before", 1, 2, 3, 4, "a " + word + " b")))
                .endsWith("  a\n  " + word + "\n  b"));
    }
}
