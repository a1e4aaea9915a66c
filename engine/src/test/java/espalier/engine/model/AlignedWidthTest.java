package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AlignedWidthTest {
    @ParameterizedTest
    @CsvSource({
        "100, 200, 1, 100", "100, 200, 32, 96", "112, 200, 32, 128", "111, 200, 32, 96", "1, 200, 32, 32",
        "198, 200, 64, 192", "20, 40, 64, 40", "400, 512, 256, 512"
    })
    void nearestMultiple(int kept, int width, int multiple, int expected) {
        assertEquals(expected, AlignedWidth.of(kept, width, multiple));
    }

    @Test
    void nothingIsNotRounded() {
        assertThrows(IllegalArgumentException.class, () -> AlignedWidth.of(0, 8, 4));
    }
}
