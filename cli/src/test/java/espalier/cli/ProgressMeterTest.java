package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressMeterTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private long now = 1_000_000_000L;

    private ProgressMeter meter(boolean interactive) {
        PrintStream err = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        return new ProgressMeter(new Terminal(err, err, interactive), "windows", () -> now);
    }

    private void after(double seconds) {
        now += (long) (seconds * 1e9);
    }

    @Test
    void aTerminalShowsOneLineThatIsErasedAtTheEnd() {
        try (ProgressMeter meter = meter(true)) {
            after(2);
            meter.at(1, 10);
            after(0.01);
            meter.at(2, 10);
            after(1.99);
            meter.at(4, 10);
        }
        assertEquals(
                "\r\u001b[K\u001b[?7l1 of 10 windows (10%), 0.500/s, 0:18 left\u001b[?7h"
                        + "\r\u001b[K\u001b[?7l4 of 10 windows (40%), 1.00/s, 0:06 left\u001b[?7h"
                        + "\r\u001b[K",
                bytes.toString(StandardCharsets.UTF_8));
    }

    @Test
    void elsewhereAPlainLineComesEveryFewSeconds() {
        try (ProgressMeter meter = meter(false)) {
            after(4);
            meter.at(1000, 4000);
            after(1);
            meter.at(2000, 4000);
        }
        assertEquals(
                "2000 of 4000 windows (50%), 400/s, 0:05 left" + System.lineSeparator(),
                bytes.toString(StandardCharsets.UTF_8));
    }

    @Test
    void durationsAreReadable() {
        assertEquals("0:07", ProgressMeter.duration(6.6));
        assertEquals("2:05", ProgressMeter.duration(125));
        assertEquals("1:02:03", ProgressMeter.duration(3723));
    }
}
