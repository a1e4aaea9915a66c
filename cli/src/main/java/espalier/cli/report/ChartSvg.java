package espalier.cli.report;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.DoubleStream;

/// Draws a [Section.Chart] as inline SVG that takes the width it gets.
///
/// Text and dots are placed in percent and keep their size on a phone; only the curves, in an inner `svg` of
/// [#UNITS] x [#UNITS], are stretched, with strokes that are not. Invisible strips over the plot carry what the curves
/// show there as `title`, so that a browser tells it under the pointer without a script.
final class ChartSvg {
    /// Most points drawn of one series, about one per pixel.
    static final int POINTS = 1000;

    private static final int UNITS = 1000;
    private static final int STRIPS = 150;
    private static final int X_TICKS = 6;
    /// Ticks on the horizontal axis where labels are long, so that they do not touch on a phone.
    private static final int LONG_X_TICKS = 3;
    private static final int LONG = 5;
    private static final int Y_TICKS = 8;
    private static final int DIGITS = 4;
    /// Pixels of the least width of a plot, of one that has a row of its own in a wide window, and of
    /// a letter.
    private static final double PHONE = 230;
    private static final double WIDE_PLOT = 780;
    private static final double LETTER = 6.3;

    private final Markup page;
    private final Section.Chart chart;
    private final Axis xAxis;
    private final Axis yAxis;
    private final boolean wholeX;

    private ChartSvg(Markup page, Section.Chart chart) {
        this.page = page;
        this.chart = chart;
        wholeX = shownXs().allMatch(x -> x == Math.rint(x));
        double lowX = shownXs().min().orElse(0);
        double highX = shownXs().max().orElse(1);
        lowX = lowX > 0 && lowX < highX / 10 ? 0 : lowX;
        Axis axis = Axis.linear(lowX, highX, X_TICKS, wholeX);
        xAxis = longest(axis) < LONG ? axis : Axis.linear(lowX, highX, LONG_X_TICKS, wholeX);
        double lowY = shownYs().min().orElse(chart.log() ? 1 : 0);
        double highY = shownYs().max().orElse(chart.log() ? 10 : 1);
        // From zero where that costs little room: a learning rate then starts at the bottom, a loss keeps its detail.
        yAxis = chart.log()
                ? Axis.logarithmic(lowY, highY)
                : Axis.roomy(lowY > 0 && lowY < highY / 3 ? 0 : lowY, highY, Y_TICKS);
    }

    static void write(Markup page, Section.Chart chart) {
        new ChartSvg(page, chart).figure();
    }

    private DoubleStream xs() {
        return chart.series().stream().flatMapToDouble(s -> Arrays.stream(s.x()));
    }

    private DoubleStream shownXs() {
        return DoubleStream.concat(
                xs(), chart.bands().stream().flatMapToDouble(band -> DoubleStream.of(band.from(), band.to())));
    }

    private DoubleStream shownYs() {
        return chart.series().stream().flatMapToDouble(s -> Arrays.stream(s.y())).filter(this::shows);
    }

    private boolean shows(double y) {
        return Axis.shows(y, chart.log());
    }

    private void figure() {
        page.raw("<figure>").element("figcaption", chart.caption()).raw("\n");
        if (chart.series().size() > 1) {
            legend();
        }
        String plot = chart.bands().size() > 1 ? "plot banded" : "plot";
        page.raw("<div class=\"" + plot + "\" style=\"--label:" + longest(yAxis) + "\">")
                .element("p class=\"axis\"", label(chart.yLabel(), yAxis)).raw("\n")
                .raw("<svg class=\"frame\" role=\"img\" aria-label=\"")
                .text(chart.caption() + (chart.yLabel().isEmpty() ? "" : ": " + chart.yLabel()))
                .text(" by " + chart.xLabel()).raw("\">\n");
        bands();
        grid();
        page.raw("<svg class=\"curves\" width=\"100%\" height=\"100%\" viewBox=\"0 0 " + UNITS + " " + UNITS
                + "\" preserveAspectRatio=\"none\">\n");
        eachSeries(this::curve);
        page.raw("</svg>\n");
        strips();
        eachSeries(this::dots);
        page.raw("</svg>\n").element("p class=\"axis below\"", label(chart.xLabel(), xAxis)).raw("</div>\n");
        gaps();
        page.raw("</figure>\n");
    }

    private static int longest(Axis axis) {
        return axis.ticks().stream().mapToInt(t -> t.label().length()).max().orElse(1);
    }

    private static String label(String name, Axis axis) {
        return axis.factor().isEmpty() ? name : name.isEmpty() ? axis.factor() : name + " (" + axis.factor() + ")";
    }

    private interface SeriesWriter {
        void write(Series series, String colour);
    }

    private void eachSeries(SeriesWriter writer) {
        int colour = 0;
        for (Series series : chart.series()) {
            // A faint series at the end has no follower to share a colour with.
            writer.write(series, "c" + Math.min(colour, Section.Chart.COLOURS - 1));
            colour += series.mark() == Series.Mark.FAINT ? 0 : 1;
        }
    }

    private void legend() {
        page.raw("<ul class=\"legend\">");
        eachSeries((series, colour) ->
                page.element("li class=\"" + colour + " " + markClass(series) + "\"", series.name()));
        page.raw("</ul>\n");
    }

    private static String markClass(Series series) {
        return series.mark().name().toLowerCase(Locale.ROOT);
    }

    /// Every second band is shaded. Names stand above the plot where even a phone has room for them, some only above a
    /// wide plot.
    private void bands() {
        for (int i = 0; i < chart.bands().size() && chart.bands().size() > 1; i++) {
            Section.Band band = chart.bands().get(i);
            double from = xAxis.position(band.from());
            double width = xAxis.position(band.to()) - from;
            if (i % 2 == 1) {
                page.raw("<rect class=\"band\" x=\"" + percent(from) + "\" width=\"" + percent(width)
                        + "\" height=\"100%\"/>");
            }
            page.raw("<svg class=\"edge\" x=\"" + percent(from) + "\"><line y1=\"-15\" y2=\"0\"/></svg>");
            double room = (band.name().length() + 1) * LETTER;
            if (width * WIDE_PLOT >= room) {
                String kind = width * PHONE >= room ? "band" : "band narrow";
                page.element("text class=\"" + kind + "\" x=\"" + percent(from) + "\" dx=\"5\" y=\"-5\"",
                        band.name());
            }
            page.raw("\n");
        }
    }

    private void grid() {
        page.raw("<g class=\"grid\">");
        for (Axis.Tick tick : yAxis.ticks()) {
            String y = percent(1 - yAxis.position(tick.value()));
            page.raw("<line x1=\"0\" x2=\"100%\" y1=\"" + y + "\" y2=\"" + y + "\"/>");
        }
        for (Axis.Tick tick : xAxis.ticks()) {
            String x = percent(xAxis.position(tick.value()));
            page.raw("<svg x=\"" + x + "\" y=\"100%\" class=\"tick\"><line y2=\"5\"/></svg>");
        }
        page.raw("<line class=\"base\" x1=\"0\" x2=\"100%\" y1=\"100%\" y2=\"100%\"/></g>\n<g class=\"labels\">");
        for (Axis.Tick tick : yAxis.ticks()) {
            String y = percent(1 - yAxis.position(tick.value()));
            page.element("text class=\"y\" x=\"0\" dx=\"-8\" y=\"" + y + "\" dy=\"0.34em\"", tick.label());
        }
        for (Axis.Tick tick : xAxis.ticks()) {
            String x = percent(xAxis.position(tick.value()));
            page.element("text class=\"x\" x=\"" + x + "\" y=\"100%\" dy=\"1.55em\"", tick.label());
        }
        page.raw("</g>\n");
    }

    /// One path for the lines between neighbouring points, and one of dots for points without a neighbour.
    private void curve(Series series, String colour) {
        boolean areDots = series.mark() == Series.Mark.DOTS;
        boolean[] kept = areDots ? Thinning.keepEvenly(series.y(), chart.log(), POINTS)
                : Thinning.keep(series.y(), chart.log(), POINTS);
        StringBuilder lines = new StringBuilder();
        StringBuilder alone = new StringBuilder();
        StringBuilder piece = new StringBuilder();
        int points = 0;
        for (int i = 0; i <= series.size(); i++) {
            if (i == series.size() || !shows(series.y()[i])) {
                if (points == 1) {
                    alone.append(piece).append("h0");
                } else {
                    lines.append(piece);
                }
                piece.setLength(0);
                points = 0;
            } else if (kept[i]) {
                piece.append(points == 0 ? 'M' : 'L')
                        .append(decimal(UNITS * xAxis.position(series.x()[i]))).append(' ')
                        .append(decimal(UNITS * (1 - yAxis.position(series.y()[i]))));
                points++;
            }
            if (areDots && !piece.isEmpty()) {
                lines.append(piece).append("h0");
                piece.setLength(0);
                points = 0;
            }
        }
        path(lines, colour + " " + markClass(series));
        path(alone, colour + " " + markClass(series) + " alone");
    }

    private void path(StringBuilder data, String classes) {
        if (!data.isEmpty()) {
            page.raw("<path class=\"" + classes + "\" d=\"" + data + "\"/>\n");
        }
    }

    private void dots(Series series, String colour) {
        if (series.mark() != Series.Mark.POINTS) {
            return;
        }
        boolean[] kept = Thinning.keep(series.y(), chart.log(), POINTS);
        for (int i = 0; i < kept.length; i++) {
            if (kept[i]) {
                page.raw("<circle class=\"" + colour + "\" cx=\"" + percent(xAxis.position(series.x()[i]))
                                + "\" cy=\"" + percent(1 - yAxis.position(series.y()[i])) + "\" r=\"3.5\">")
                        .element("title", place(series.x()[i], series.x()[i]) + "\n" + series.name() + " "
                                + Numbers.significant(series.y()[i], DIGITS))
                        .raw("</circle>\n");
            }
        }
    }

    /// Cuts the plot into strips at the middles between neighbouring x, several x to a strip where there are many.
    private void strips() {
        double[] xs = xs().sorted().distinct().toArray();
        int strips = Math.min(xs.length, STRIPS);
        int[] next = new int[chart.series().size()];
        for (int strip = 0; strip < strips; strip++) {
            int begin = (int) ((long) xs.length * strip / strips);
            int end = (int) ((long) xs.length * (strip + 1) / strips);
            // The first strip begins at its values: a band may be left of them.
            double left = strip > 0 ? xAxis.position(xs[begin - 1] / 2 + xs[begin] / 2)
                    : xs.length == 1 ? 0 : Math.max(0, xAxis.position(xs[0] - (xs[1] - xs[0]) / 2));
            double right = strip == strips - 1 ? 1 : xAxis.position(xs[end - 1] / 2 + xs[end] / 2);
            page.raw("<rect class=\"strip\" x=\"" + percent(left) + "\" width=\"" + percent(right - left)
                    + "\" height=\"100%\"><title>").text(place(xs[begin], xs[end - 1]));
            for (int s = 0; s < next.length; s++) {
                Series series = chart.series().get(s);
                double lowest = Double.POSITIVE_INFINITY;
                double highest = Double.NEGATIVE_INFINITY;
                for (; next[s] < series.size() && series.x()[next[s]] <= xs[end - 1]; next[s]++) {
                    double y = series.y()[next[s]];
                    lowest = shows(y) ? Math.min(lowest, y) : lowest;
                    highest = shows(y) ? Math.max(highest, y) : highest;
                }
                if (lowest <= highest) {
                    page.text("\n" + series.name() + " " + range(lowest, highest));
                }
            }
            page.raw("</title></rect>\n");
        }
    }

    private String place(double from, double to) {
        String first = x(from);
        String last = x(to);
        return chart.xLabel() + " " + (first.equals(last) ? first : first + " to " + last);
    }

    private String x(double x) {
        return wholeX && Math.abs(x) < 1e15 ? Numbers.whole((long) x) : Numbers.significant(x, DIGITS);
    }

    private static String range(double lowest, double highest) {
        String low = Numbers.significant(lowest, DIGITS);
        String high = Numbers.significant(highest, DIGITS);
        return low.equals(high) ? low : low + " to " + high;
    }

    private void gaps() {
        for (Series series : chart.series()) {
            long missing = Arrays.stream(series.y()).filter(y -> !shows(y)).count();
            if (missing > 0 && series.mark() != Series.Mark.FAINT) {
                page.element("p class=\"gaps\"", "%s: %s of %s values %s and %s a gap.".formatted(
                        series.name(), Numbers.whole(missing), Numbers.whole(series.size()),
                        (missing == 1 ? "is " : "are ") + (chart.log() ? "not positive and finite" : "not finite"),
                        missing == 1 ? "leaves" : "leave")).raw("\n");
            }
        }
    }

    static String percent(double fraction) {
        return decimal(100 * fraction) + "%";
    }

    /// Two decimals at most, without the zeros at the end.
    private static String decimal(double value) {
        long hundredths = Math.round(value * 100);
        return hundredths % 100 == 0 ? Long.toString(hundredths / 100) : Double.toString(hundredths / 100.0);
    }
}
