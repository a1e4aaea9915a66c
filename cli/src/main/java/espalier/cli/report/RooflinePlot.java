package espalier.cli.report;

import espalier.kernels.roofline.Measurement;
import espalier.kernels.roofline.Roof;
import espalier.kernels.roofline.RooflineReport;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// The roofline plot of a report as an SVG file that needs nothing else: performance over intensity, both logarithmic,
/// under the roofs of one and of all threads. Numbers at the points lead to the list beside the plot.
public final class RooflinePlot {
    private static final int WIDTH = 1300;
    private static final int LEFT = 84;
    private static final int TOP = 92;
    private static final int PLOT_WIDTH = 680;
    private static final int LEAST_PLOT_HEIGHT = 560;
    private static final int LIST_LEFT = 800;
    private static final int LINE = 15;
    private static final int RADIUS = 4;

    private static final String STYLE = Palette.SHEET + """
            .grid { stroke: var(--hair); stroke-width: 1; }
            .roof { fill: none; stroke: var(--ink); stroke-width: 1.8; stroke-linejoin: round; }
            .roof.one { stroke: var(--soft); stroke-dasharray: 5 4; }
            circle { fill: var(--c); stroke: var(--ground); stroke-width: 1; }
            circle.one { fill: var(--ground); stroke: var(--c); stroke-width: 1.4; }
            .number { fill: var(--c); font-size: 10.5px; font-weight: 600; text-anchor: middle; }
            .lead { stroke: var(--c); stroke-width: .6; opacity: .6; }
            """;

    private final RooflineReport report;
    private final Axis x;
    private final Axis y;
    private final int plotHeight;
    private final LabelPlaces places = new LabelPlaces();
    private final Markup out = new Markup();

    private RooflinePlot(RooflineReport report) {
        this.report = report;
        Roof roof = report.roof();
        double leastX = roof.ridge() / 4;
        double mostX = roof.ridge() * 4;
        double leastY = roof.peakGflops() / 20;
        for (Measurement row : report.rows()) {
            leastX = Math.min(leastX, row.work().intensity() / 1.3);
            mostX = Math.max(mostX, row.work().intensity() * 1.3);
            leastY = Math.min(leastY, row.gflops() / 1.3);
        }
        x = Axis.logarithmic(leastX, mostX);
        y = Axis.logarithmic(leastY, roof.peakGflops() * 1.3);
        plotHeight = Math.max(LEAST_PLOT_HEIGHT, (report.lines().size() + 3) * LINE);
    }

    /// @param title heading
    /// @param about second line: the machine
    /// @param report what was measured
    /// @return the file's text
    public static String render(String title, String about, RooflineReport report) {
        return new RooflinePlot(report).render(title, about);
    }

    private String render(String title, String about) {
        int height = TOP + plotHeight + 64;
        out.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n"
                .formatted(WIDTH, height, WIDTH, height));
        out.element("title", title).raw("\n<style>\n").raw(STYLE).raw("</style>\n");
        out.element("text class=\"title\" x=\"32\" y=\"38\"", title).raw("\n");
        out.element("text class=\"soft\" x=\"32\" y=\"60\"", about).raw("\n");
        grid();
        roofs();
        points();
        list();
        return out.raw("</svg>\n").toString();
    }

    private double left(double intensity) {
        return LEFT + PLOT_WIDTH * x.position(intensity);
    }

    private double top(double gflops) {
        return TOP + plotHeight * (1 - y.position(gflops));
    }

    private void grid() {
        for (Axis.Tick tick : x.ticks()) {
            double at = left(tick.value());
            line("grid", at, TOP, at, TOP + plotHeight);
            text("soft middle", at, TOP + plotHeight + 18, tick.label());
        }
        for (Axis.Tick tick : y.ticks()) {
            double at = top(tick.value());
            line("grid", LEFT, at, LEFT + PLOT_WIDTH, at);
            text("soft end", LEFT - 8, at + 4, tick.label());
        }
        double middle = LEFT + PLOT_WIDTH / 2.0;
        text("soft middle", middle, TOP + plotHeight + 42, "intensity: FLOP for each byte of compulsory traffic");
        text("soft", LEFT - 52, TOP - 10, "GFLOP/s");
    }

    private void roofs() {
        for (Roof roof : report.roofs().reversed()) {
            boolean most = roof == report.roof();
            double from = Math.max(x.low(), y.low() / roof.bandwidthGbs());
            out.raw("<path class=\"roof%s\" d=\"M%s %sL%s %sL%s %s\"/>\n".formatted(
                    most ? "" : " one",
                    number(left(from)), number(top(from * roof.bandwidthGbs())),
                    number(left(roof.ridge())), number(top(roof.peakGflops())),
                    number(left(x.high())), number(top(roof.peakGflops()))));
            // Near the ridge, since few kernels lie there; below a roof that is close to the higher one.
            boolean close = top(roof.peakGflops()) - top(report.roof().peakGflops()) < 24;
            double peak = top(roof.peakGflops()) + (most || !close ? -7 : 15);
            double ridge = left(roof.ridge()) + 8;
            String threads = roof.threads() == 1 ? "1 thread" : roof.threads() + " threads";
            String label = "%s: %s GFLOP/s".formatted(threads, Numbers.significant(roof.peakGflops(), 3));
            text(most ? "" : "soft", ridge, peak, label);
            places.block(ridge, peak - 10, 6.5 * label.length(), 13);
            bandwidth(roof, from, most);
        }
    }

    private void bandwidth(Roof roof, double from, boolean most) {
        double x0 = left(from);
        double y0 = top(from * roof.bandwidthGbs());
        double angle = Math.toDegrees(Math.atan2(top(roof.peakGflops()) - y0, left(roof.ridge()) - x0));
        double across = Math.toRadians(angle);
        double offset = most ? -7 : 15;
        double at = 14;
        out.element(
                "text class=\"%s\" transform=\"translate(%s %s) rotate(%s)\"".formatted(
                        most ? "" : "soft",
                        number(x0 + at * Math.cos(across) - offset * Math.sin(across)),
                        number(y0 + at * Math.sin(across) + offset * Math.cos(across)), number(angle)),
                Numbers.significant(roof.bandwidthGbs(), 3) + " GB/s").raw("\n");
        for (int along = 0; along < 90; along += 12) {
            places.block(
                    x0 + along * Math.cos(across) - (most ? 12 : 0), y0 + along * Math.sin(across) - (most ? 14 : 0),
                    14, 16);
        }
    }

    /// First those of fewer threads, which the others may cover; numbers last, where there is room.
    private void points() {
        List<List<Measurement>> lines = report.lines();
        for (List<Measurement> rows : lines) {
            rows.reversed().forEach(this::point);
        }
        for (int i = 0; i < lines.size(); i++) {
            Measurement row = lines.get(i).getFirst();
            numbered(i + 1, row);
        }
    }

    private void point(Measurement row) {
        double cx = left(row.work().intensity());
        double cy = top(row.gflops());
        boolean one = row.threads() != report.roof().threads();
        out.raw("<circle class=\"%s%s\" cx=\"%s\" cy=\"%s\" r=\"%s\">".formatted(
                colour(row.kernel()), one ? " one" : "", number(cx), number(cy), one ? "3" : "" + RADIUS));
        out.element("title", "%s %s %s %s, %d threads: %s GFLOP/s, %s GB/s, %.0f%%".formatted(
                row.kernel(), row.shortWeight(), row.type(), row.shape(), row.threads(),
                Numbers.significant(row.gflops(), 3), Numbers.significant(row.gbs(), 3), report.percent(row)));
        out.raw("</circle>\n");
        places.block(cx - RADIUS, cy - RADIUS, 2 * RADIUS, 2 * RADIUS);
    }

    private void numbered(int number, Measurement row) {
        double cx = left(row.work().intensity());
        double cy = top(row.gflops());
        LabelPlaces.Place place = places.find(cx, cy, 6.5 * String.valueOf(number).length() + 1, 10);
        if (place.distance() > 2.5 * RADIUS + 8) {
            line("lead " + colour(row.kernel()), cx, cy, place.x(), place.y());
        }
        text("number " + colour(row.kernel()), place.x(), place.y() + 4, String.valueOf(number));
    }

    private void list() {
        List<Integer> threads = report.rows().stream().map(Measurement::threads).distinct().toList();
        double at = TOP + 4;
        text("soft", LIST_LEFT + 32, at, "kernel and weights");
        text("soft", LIST_LEFT + 250, at, "shape");
        for (int i = 0; i < threads.size(); i++) {
            text("soft end", LIST_LEFT + 410 + 50 * i, at, threads.get(i) + (threads.get(i) == 1 ? " thr." : " thrs."));
        }
        List<List<Measurement>> lines = report.lines();
        for (int i = 0; i < lines.size(); i++) {
            List<Measurement> rows = lines.get(i);
            Measurement first = rows.getFirst();
            at += LINE;
            text("number " + colour(first.kernel()), LIST_LEFT + 14, at, String.valueOf(i + 1));
            String name = String.join(" ", first.kernel(), first.shortWeight(), first.type()).replace("  ", " ");
            text("", LIST_LEFT + 32, at, name);
            text("soft", LIST_LEFT + 250, at, first.shape());
            for (int j = 0; j < rows.size(); j++) {
                text("end", LIST_LEFT + 410 + 50 * j, at, "%.0f%%".formatted(report.percent(rows.get(j))));
            }
        }
        text("soft", LIST_LEFT + 32, at + 22, threads.size() == 1
                ? "Percent of the ceiling at the kernel's intensity."
                : "Percent of the ceiling at the kernel's intensity; hollow points: 1 thread.");
    }

    private static String colour(String kernel) {
        return switch (kernel) {
            case "linear" -> "c0";
            case "linear_backward", "weight_gradient" -> "c1";
            case "attention", "attention_backward" -> "c2";
            case "cross_entropy" -> "c3";
            case "adamw" -> "c4";
            default -> "c5";
        };
    }

    private void line(String style, double x1, double y1, double x2, double y2) {
        out.raw("<line class=\"%s\" x1=\"%s\" y1=\"%s\" x2=\"%s\" y2=\"%s\"/>\n"
                .formatted(style, number(x1), number(y1), number(x2), number(y2)));
    }

    private void text(String style, double at, double baseline, String text) {
        out.element(
                "text class=\"%s\" x=\"%s\" y=\"%s\"".formatted(style, number(at), number(baseline)), text).raw("\n");
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }

    /// Finds room for small labels around points.
    private static final class LabelPlaces {
        /// @param x centre
        /// @param y centre
        /// @param distance from the point
        record Place(double x, double y, double distance) {}

        private record Box(double x, double y, double width, double height) {
            double overlap(Box other) {
                double across = Math.min(x + width, other.x + other.width) - Math.max(x, other.x);
                double down = Math.min(y + height, other.y + other.height) - Math.max(y, other.y);
                return across > 0 && down > 0 ? across * down : 0;
            }
        }

        private static final int DIRECTIONS = 16;
        private static final int RINGS = 9;

        private final List<Box> taken = new ArrayList<>();

        void block(double x, double y, double width, double height) {
            taken.add(new Box(x, y, width, height));
        }

        /// The free place that is nearest, or the least crowded one; it is taken from then on.
        Place find(double x, double y, double width, double height) {
            Place best = null;
            double least = Double.POSITIVE_INFINITY;
            for (int ring = 0; ring < RINGS && least > 0; ring++) {
                double distance = 11 + 6.0 * ring;
                for (int i = 0; i < DIRECTIONS && least > 0; i++) {
                    double angle = 2 * Math.PI * i / DIRECTIONS;
                    double cx = x + distance * Math.cos(angle);
                    double cy = y - distance * Math.sin(angle);
                    Box box = new Box(cx - width / 2, cy - height / 2, width, height);
                    double crowd = taken.stream().mapToDouble(box::overlap).sum();
                    if (crowd < least) {
                        least = crowd;
                        best = new Place(cx, cy, distance);
                    }
                }
            }
            block(best.x() - width / 2, best.y() - height / 2, width, height);
            return best;
        }
    }
}
