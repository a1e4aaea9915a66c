package espalier.cli.report;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;

/// One axis: its range and its ticks, at 1, 2 or 5 times a power of ten.
///
/// @param low value at position 0
/// @param high value at position 1, above `low`
/// @param log whether positions go by the logarithm
/// @param ticks from low to high
/// @param factor what all labels are to be multiplied by, e.g. `×10⁻⁴`; empty for 1
record Axis(double low, double high, boolean log, List<Tick> ticks, String factor) {
    /// The largest magnitude an axis reaches; beyond it differences could overflow.
    static final double LARGEST = 1e300;

    private static final double SMALLEST = 1e-300;
    private static final int[] MANTISSAS = {1, 2, 5};
    /// Relative width under which a range counts as a single value: its ticks would need ten digits and more.
    private static final double FLAT = 1e-9;
    /// What a quotient may miss a whole number by and still be that number.
    private static final double SLACK = 1e-9;
    private static final double ROOM = 0.04;

    /// @param value where it stands
    /// @param label what is written there
    record Tick(double value, String label) {}

    /// @param value on the axis; positive if it is logarithmic
    /// @return 0 at the low end, 1 at the high end
    double position(double value) {
        return log
                ? (Math.log10(value) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
                : (value - low) / (high - low);
    }

    /// Whether an axis can show the value; others leave a gap.
    static boolean shows(double value, boolean log) {
        return Math.abs(value) <= LARGEST && (!log || value >= SMALLEST);
    }

    /// A linear axis from exactly low to high; a range without width is widened around its value.
    ///
    /// @param wanted about how many intervals between ticks
    /// @param whole whether only whole numbers have a meaning, e.g. steps
    static Axis linear(double low, double high, int wanted, boolean whole) {
        double size = Math.max(Math.abs(low), Math.abs(high));
        if (!(high - low > Math.max(FLAT * size, SMALLEST))) {
            double margin = size < SMALLEST ? 1 : whole ? Math.max(1, 0.05 * size) : 0.05 * size;
            return linear(low - margin, high + margin, wanted, whole);
        }
        double raw = (high - low) / wanted;
        int exponent = (int) Math.floor(Math.log10(raw));
        double least = raw / power(exponent) - SLACK;
        int mantissa = least <= 1 ? 1 : least <= 2 ? 2 : least <= 5 ? 5 : 1;
        exponent += least > 5 ? 1 : 0;
        if (whole && exponent < 0) {
            mantissa = 1;
            exponent = 0;
        }
        double step = mantissa * power(exponent);
        long first = (long) Math.ceil(low / step - SLACK);
        long last = (long) Math.floor(high / step + SLACK);
        int shift = factor(Math.max(Math.abs(first), Math.abs(last)) * step);
        List<Tick> ticks = new ArrayList<>();
        for (long i = first; i <= last; i++) {
            BigDecimal value = BigDecimal.valueOf(i * mantissa).scaleByPowerOfTen(exponent);
            BigDecimal shown = value.scaleByPowerOfTen(-shift)
                    .setScale(Math.max(0, shift - exponent), RoundingMode.UNNECESSARY);
            boolean grouped = shown.scale() == 0 && Math.abs(value.doubleValue()) >= 10_000;
            ticks.add(new Tick(value.doubleValue(),
                    grouped ? Numbers.whole(shown.longValueExact()) : shown.toPlainString()));
        }
        return new Axis(low, high, false, List.copyOf(ticks), shift == 0 ? "" : "×" + Numbers.powerOfTen(shift));
    }

    /// A linear axis with a little room beyond its values, but none beyond zero.
    static Axis roomy(double low, double high, int wanted) {
        double room = ROOM * (high - low);
        return linear(low == 0 ? 0 : low - room, high == 0 ? 0 : high + room, wanted, false);
    }

    /// A logarithmic axis; its ends are ticks where it spans more than a factor of two.
    ///
    /// @param from positive
    /// @param to at least `from`
    static Axis logarithmic(double from, double to) {
        if (to < 2 * from) {
            Axis linear = roomy(from, to, 5);
            return new Axis(linear.low(), linear.high(), true, linear.ticks(), linear.factor());
        }
        int below = (int) Math.floor(Math.log10(from) + SLACK);
        int above = (int) Math.ceil(Math.log10(to) - SLACK);
        boolean between = above - below <= 3;
        int stride = Math.max(1, Math.ceilDiv(above - below, 6));
        List<Tick> ticks = new ArrayList<>();
        for (int exponent = below; exponent < above + stride; exponent += stride) {
            for (int mantissa : between ? MANTISSAS : new int[] {1}) {
                ticks.add(new Tick(mantissa * power(exponent), logLabel(mantissa, exponent)));
            }
        }
        while (ticks.get(1).value() <= from) {
            ticks.removeFirst();
        }
        while (ticks.get(ticks.size() - 2).value() >= to) {
            ticks.removeLast();
        }
        return new Axis(ticks.getFirst().value(), ticks.getLast().value(), true, List.copyOf(ticks), "");
    }

    private static String logLabel(int mantissa, int exponent) {
        if (exponent >= -3 && exponent <= 3) {
            return BigDecimal.valueOf(mantissa).scaleByPowerOfTen(exponent).toPlainString();
        }
        return (mantissa == 1 ? "" : mantissa + "×") + Numbers.powerOfTen(exponent);
    }

    /// @return the exponent that labels share: 0 where plain numbers are short enough
    private static int factor(double largest) {
        return largest >= 1e6 || largest < 0.00999 ? (int) Math.floor(Math.log10(largest) + SLACK) : 0;
    }

    /// Parsed, not computed: `Math.pow(10, -5)` need not be the double nearest to 0.00001.
    private static double power(int exponent) {
        return Double.parseDouble("1e" + exponent);
    }
}
