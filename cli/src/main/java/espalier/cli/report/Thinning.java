package espalier.cli.report;

/// Keeps a long series short: of every bucket of neighbouring points the lowest and the highest stay, and so do spikes.
final class Thinning {
    private Thinning() {}

    /// @param y `[points]`
    /// @param log whether only positive values can be shown
    /// @param limit most points kept, apart from the first and the last that can be shown, which always are
    /// @return `[points]`, true for those to draw; never for one the axis cannot show
    static boolean[] keep(double[] y, boolean log, int limit) {
        boolean[] kept = new boolean[y.length];
        int first = -1;
        int last = -1;
        int buckets = y.length <= limit ? y.length : limit / 2;
        for (int bucket = 0; bucket < buckets; bucket++) {
            int end = (int) ((long) y.length * (bucket + 1) / buckets);
            int lowest = -1;
            int highest = -1;
            for (int i = (int) ((long) y.length * bucket / buckets); i < end; i++) {
                if (Axis.shows(y[i], log)) {
                    first = first < 0 ? i : first;
                    last = i;
                    lowest = lowest < 0 || y[i] < y[lowest] ? i : lowest;
                    highest = highest < 0 || y[i] > y[highest] ? i : highest;
                }
            }
            if (lowest >= 0) {
                kept[lowest] = true;
                kept[highest] = true;
            }
        }
        if (first >= 0) {
            kept[first] = true;
            kept[last] = true;
        }
        return kept;
    }

    /// Keeps every so many points, so that a cloud of them keeps its shape.
    ///
    /// @return `[points]`, true for those to draw
    static boolean[] keepEvenly(double[] y, boolean log, int limit) {
        boolean[] kept = new boolean[y.length];
        int stride = Math.max(1, Math.ceilDiv(y.length, limit));
        for (int i = 0; i < y.length; i += stride) {
            kept[i] = Axis.shows(y[i], log);
        }
        return kept;
    }
}
