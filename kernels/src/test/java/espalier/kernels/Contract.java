package espalier.kernels;

import java.util.ArrayList;
import java.util.List;

/// Compares a backend with the reference.
public final class Contract {
    private Contract() {}

    /// Compares all cases at all sizes.
    ///
    /// @param reference what is expected
    /// @param tested the backend under test
    /// @return how many cases and sizes were compared
    /// @throws AssertionError at the first difference
    public static int compareAll(Ops reference, Ops tested) {
        int compared = 0;
        for (OpCases.OpCase test : OpCases.all()) {
            for (int[] size : OpCases.SIZES) {
                compare(test, size[0], size[1], reference, tested);
                compared++;
            }
        }
        return compared;
    }

    /// @return how many comparisons [#compareAll] makes
    public static int comparisons() {
        return OpCases.all().size() * OpCases.SIZES.length;
    }

    /// @throws AssertionError naming the case, output and entry that differ by more than rounding
    static void compare(OpCases.OpCase test, int tokens, int n, Ops reference, Ops tested) {
        try (Scene expected = test.run(reference, tokens, n); Scene actual = test.run(tested, tokens, n)) {
            if (expected.outputs.isEmpty() || !expected.outputs.keySet().equals(actual.outputs.keySet())) {
                throw new AssertionError(test + " has the outputs " + expected.outputs.keySet());
            }
            expected.outputs.forEach((name, output) ->
                    compare("%s [%d, %d] %s".formatted(test, tokens, n, name), output, actual.outputs.get(name)));
        }
    }

    private static void compare(String what, Scene.Output expected, Scene.Output actual) {
        double tolerance = tolerance(expected.length());
        for (int i = 0; i < expected.values().length; i++) {
            double e = expected.values()[i];
            double a = actual.values()[i];
            // An infinity is as far from itself as NaN is.
            if (a != e && !(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)))) {
                throw new AssertionError("%s[%d] is %s, expected %s within %s".formatted(what, i, a, e, tolerance));
            }
        }
    }

    /// What `length` random terms of size 1, added one after the other in F32, may be off: a sum of size `sqrt(i)` is
    /// rounded at step `i`, so the error grows as `length`. Nothing for 0: conversions are exact.
    static double tolerance(int length) {
        return length == 0 ? 0 : 3e-7 * (1 + Math.sqrt(length)) + 5e-8 * length;
    }

    /// @return all bits of what a case wrote
    static List<Long> bits(OpCases.OpCase test, int tokens, int n, Ops ops) {
        try (Scene scene = test.run(ops, tokens, n)) {
            List<Long> bits = new ArrayList<>();
            for (Scene.Output output : scene.outputs.values()) {
                for (double value : output.values()) {
                    bits.add(Double.doubleToRawLongBits(value));
                }
            }
            return bits;
        }
    }
}
