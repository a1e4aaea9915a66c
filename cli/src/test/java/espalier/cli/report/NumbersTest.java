package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class NumbersTest {
    @Test
    void significantDigits() {
        assertEquals("2.315", Numbers.significant(2.31467, 4));
        assertEquals("10.00", Numbers.significant(9.99999, 4));
        assertEquals("1235", Numbers.significant(1234.56, 4));
        assertEquals("123500", Numbers.significant(123456, 4));
        assertEquals("1.235e7", Numbers.significant(12_345_678, 4));
        assertEquals("0.0001000", Numbers.significant(1e-4, 4));
        assertEquals("-1.5e-5", Numbers.significant(-1.5e-5, 4));
        assertEquals("0", Numbers.significant(-0.0, 4));
        assertEquals("NaN", Numbers.significant(Double.NaN, 4));
    }

    @Test
    void durations() {
        assertEquals("8.2 s", Numbers.duration(8.23));
        assertEquals("59.9 s", Numbers.duration(59.94));
        assertEquals("1 min 00 s", Numbers.duration(59.96));
        assertEquals("12 min 31 s", Numbers.duration(751));
        assertEquals("1 h 00 min", Numbers.duration(3599.7));
        assertEquals("27 h 46 min", Numbers.duration(100_000));
    }

    @Test
    void bytes() {
        assertEquals("0 B", Numbers.bytes(0));
        assertEquals("1023 B", Numbers.bytes(1023));
        assertEquals("1.50 KiB", Numbers.bytes(1536));
    }

    @Test
    void powersOfTen() {
        assertEquals("10⁻¹²", Numbers.powerOfTen(-12));
        assertEquals("10³⁰⁸", Numbers.powerOfTen(308));
    }
}
