package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class StopStringsTest {
    @Test
    void whatMayBecomeAStopIsHeldBack() {
        StopStrings stop = new StopStrings(List.of("\n\n", "END"));
        assertEquals("one", stop.accept("one\n"));
        assertEquals("\ntwo ", stop.accept("two E"));
        assertEquals("EN", stop.accept("NEN"));
        assertEquals("", stop.accept("D and more"));
        assertEquals(true, stop.reached());
        assertEquals("", stop.accept("ignored"));
        assertEquals("", stop.finish());
    }

    @Test
    void theEarliestStopCounts() {
        StopStrings stop = new StopStrings(List.of("te", "a"));
        assertEquals("l", stop.accept("late"));
        assertEquals(true, stop.reached());
    }

    @Test
    void whatWasHeldBackComesAtTheEnd() {
        StopStrings stop = new StopStrings(List.of("abab"));
        assertEquals("x", stop.accept("xaba"));
        assertEquals(false, stop.reached());
        assertEquals("aba", stop.finish());
    }

    @Test
    void withoutStopsEverythingPasses() {
        StopStrings stop = new StopStrings(List.of());
        assertEquals("text", stop.accept("text"));
        assertEquals("", stop.finish());
    }

    @Test
    void anEmptyStopIsRefused() {
        var error = assertThrows(IllegalArgumentException.class, () -> new StopStrings(List.of("a", "")));
        assertEquals("--stop must not be empty", error.getMessage());
    }
}
