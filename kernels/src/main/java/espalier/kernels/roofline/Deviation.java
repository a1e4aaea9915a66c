package espalier.kernels.roofline;

/// Largest difference over the largest expected value.
final class Deviation {
    private double difference;
    private double size;

    /// @param expected from the reference
    /// @param actual as many, to be compared with it
    /// @return this
    Deviation add(float[] expected, float[] actual) {
        for (int i = 0; i < expected.length; i++) {
            add(expected[i], actual[i]);
        }
        return this;
    }

    /// A value that is not finite counts as infinitely far away.
    Deviation add(double expected, double actual) {
        double apart = Math.abs(expected - actual);
        difference = Double.isFinite(apart) ? Math.max(difference, apart) : Double.POSITIVE_INFINITY;
        size = Math.max(size, Math.abs(expected));
        return this;
    }

    /// @return the relative error; infinite if nothing or nothing but zeros was expected
    double relative() {
        return size > 0 ? difference / size : Double.POSITIVE_INFINITY;
    }
}
