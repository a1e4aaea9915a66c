package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.cli.report.Section.Band;
import espalier.cli.report.Section.Chart;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class ChartSvgTest {
    private static final double NAN = Double.NaN;
    private static final Pattern POINT = Pattern.compile("[ML](-?[\\d.]+) (-?[\\d.]+)");

    private static double[] upTo(int n) {
        return IntStream.rangeClosed(1, n).asDoubleStream().toArray();
    }

    private static Chart chart(boolean log, double... y) {
        return new Chart("c", "step", "y", log, List.of(new Series("s", upTo(y.length), y)));
    }

    private static Document draw(Chart chart) throws Exception {
        String page = HtmlReport.render(new Report("t", List.of(chart)));
        assertFalse(page.contains("NaN") || page.contains("Infinity"), "a coordinate is not a number");
        return HtmlReportTest.parse(page);
    }

    /// The `d` of every path, in order.
    private static List<String> paths(Chart chart) throws Exception {
        var nodes = draw(chart).getElementsByTagName("path");
        return IntStream.range(0, nodes.getLength())
                .mapToObj(i -> ((Element) nodes.item(i)).getAttribute("d")).toList();
    }

    @Test
    void aCurveRunsFromEdgeToEdge() throws Exception {
        assertEquals(List.of("M0 1000L500 500L1000 0"), paths(new Chart("c", "x", "y", true,
                List.of(new Series("s", new double[] {0, 2, 4}, new double[] {1, 10, 100})))));
    }

    @Test
    void aNaNLeavesAGapAndALonePointIsADot() throws Exception {
        List<String> paths = paths(chart(false, 0, 1, NAN, 1, NAN, Double.POSITIVE_INFINITY, 0.5, 1));
        assertEquals(2, paths.size());
        assertEquals(2, paths.get(0).chars().filter(c -> c == 'M').count());
        assertEquals(2, paths.get(0).chars().filter(c -> c == 'L').count());
        assertTrue(paths.get(1).matches("M[\\d.]+ [\\d.]+h0"), paths.get(1));
        assertEquals("s: 3 of 8 values are not finite and leave a gap.", gapNote(chart(false,
                0, 1, NAN, 1, NAN, Double.POSITIVE_INFINITY, 0.5, 1)));
    }

    @Test
    void aLogarithmicAxisLeavesOutWhatIsNotPositive() throws Exception {
        assertEquals(List.of("M0 1000L333.33 500", "M1000 0h0"), paths(chart(true, 1, 10, 0, 100)));
        assertEquals("s: 1 of 4 values is not positive and finite and leaves a gap.",
                gapNote(chart(true, 1, 10, 0, 100)));
    }

    private static String gapNote(Chart chart) throws Exception {
        var notes = draw(chart).getElementsByTagName("p");
        return notes.item(notes.getLength() - 1).getTextContent();
    }

    @Test
    void onePointIsADotInTheMiddle() throws Exception {
        assertEquals(List.of("M500 500h0"), paths(chart(false, 3.5)));
        assertEquals(List.of("M500 500h0"), paths(chart(false, 0)));
        assertEquals(List.of("M500 500h0"), paths(chart(false, -7)));
    }

    @Test
    void aConstantSeriesIsALineInTheMiddle() throws Exception {
        assertEquals(List.of("M0 500L500 500L1000 500"), paths(chart(false, 2, 2, 2)));
        assertEquals(List.of("M0 500L1000 500"), paths(chart(false, 1e-300, 1e-300)));
    }

    @Test
    void nothingToShowGivesAnEmptyPlot() throws Exception {
        assertEquals(List.of(), paths(chart(false)));
        assertEquals(List.of(), paths(chart(false, NAN, Double.NEGATIVE_INFINITY)));
        assertEquals(List.of(), paths(chart(true, -1, 0)));
    }

    @Test
    void hugeAndTinyValuesStayInsideThePlot() throws Exception {
        for (boolean log : new boolean[] {false, true}) {
            for (double[] y : new double[][] {
                {1e300, 1e299, 3}, {1e-290, 2e-290}, {1e15, 1e15 + 1}, {Double.MAX_VALUE, 1}, {-1e300, 1e300},
                {Double.MIN_VALUE, 1}, {1, 1 + 1e-12}}) {
                Matcher point = POINT.matcher(String.join("", paths(chart(log, y))));
                while (point.find()) {
                    double drawn = Double.parseDouble(point.group(2));
                    assertTrue(drawn >= 0 && drawn <= 1000, () -> Arrays.toString(y) + " at " + drawn);
                }
            }
        }
    }

    @Test
    void aLongSeriesIsDrawnWithAThousandPointsAndItsSpikes() throws Exception {
        double[] y = new double[100_000];
        Arrays.setAll(y, i -> Math.sin(i / 9000.0));
        y[33_333] = 5;
        y[77_777] = -4;
        String path = String.join("", paths(chart(false, y)));
        long points = POINT.matcher(path).results().count();
        assertTrue(points > 900 && points <= 1002, () -> points + " points");
        double[] drawn = POINT.matcher(path).results().mapToDouble(m -> Double.parseDouble(m.group(2))).toArray();
        // 4 % of room above 5 and below -4, on 1000 units.
        assertEquals(37.04, Arrays.stream(drawn).min().getAsDouble());
        assertEquals(962.96, Arrays.stream(drawn).max().getAsDouble());
        double[] x = POINT.matcher(path).results().mapToDouble(m -> Double.parseDouble(m.group(1))).toArray();
        assertTrue(IntStream.range(1, x.length).allMatch(i -> x[i] >= x[i - 1]), "points run to the right");
    }

    @Test
    void stripsTellEveryValue() throws Exception {
        Document page = draw(new Chart("c", "step", "y", false, List.of(
                new Series("train", upTo(3), new double[] {1.5, NAN, 1234.56}),
                new Series("check", new double[] {3}, new double[] {2e-5}, Series.Mark.POINTS))));
        assertEquals(List.of("step 1\ntrain 1.500", "step 2", "step 3\ntrain 1235\ncheck 2e-5"), titles(page, "rect"));
        assertEquals(List.of("step 3\ncheck 2e-5"), titles(page, "circle"));
    }

    @Test
    void aStripOfManyStepsTellsTheirRange() throws Exception {
        double[] y = new double[1500];
        Arrays.setAll(y, i -> i == 4 ? 9 : 1);
        List<String> titles = titles(draw(chart(false, y)), "rect");
        assertEquals(150, titles.size());
        assertEquals("step 1 to 10\ns 1.000 to 9.000", titles.getFirst());
        assertEquals("step 1,491 to 1,500\ns 1.000", titles.getLast());
    }

    private static List<String> titles(Document page, String parent) {
        List<String> titles = new ArrayList<>();
        var nodes = page.getElementsByTagName(parent);
        for (int i = 0; i < nodes.getLength(); i++) {
            titles.add(nodes.item(i).getFirstChild().getTextContent());
        }
        return titles;
    }

    @Test
    void aFaintSeriesSharesTheColourOfItsFollower() throws Exception {
        var paths = draw(new Chart("c", "x", "y", false, List.of(
                new Series("raw", upTo(2), upTo(2), Series.Mark.FAINT), new Series("smooth", upTo(2), upTo(2)),
                new Series("other", upTo(2), upTo(2))))).getElementsByTagName("path");
        assertEquals("c0 faint", ((Element) paths.item(0)).getAttribute("class"));
        assertEquals("c0 line", ((Element) paths.item(1)).getAttribute("class"));
        assertEquals("c1 line", ((Element) paths.item(2)).getAttribute("class"));
    }

    @Test
    void dotsAreNotJoinedAndKeepTheirShape() throws Exception {
        double[] nothing = {NAN, 1, 2, 3};
        var few = draw(new Chart("c", "x", "y", false,
                List.of(new Series("s", upTo(4), nothing, Series.Mark.DOTS)))).getElementsByTagName("path");
        assertEquals(1, few.getLength());
        assertEquals("c0 dots", ((Element) few.item(0)).getAttribute("class"));
        assertTrue(((Element) few.item(0)).getAttribute("d").matches("(M[\\d.]+ [\\d.]+h0){3}"));
        double[] cloud = new double[10_000];
        Arrays.setAll(cloud, i -> i % 100 == 50 ? 9 : 1 + i % 7);
        String path = String.join("", paths(new Chart("c", "x", "y", false,
                List.of(new Series("s", upTo(cloud.length), cloud, Series.Mark.DOTS)))));
        assertEquals(1000, POINT.matcher(path).results().count());
    }

    @Test
    void dashesAreALine() throws Exception {
        var paths = draw(new Chart("c", "x", "y", false, List.of(
                new Series("s", upTo(3), upTo(3), Series.Mark.DASHED)))).getElementsByTagName("path");
        assertEquals("c0 dashed", ((Element) paths.item(0)).getAttribute("class"));
    }

    private static Document banded(Band... bands) throws Exception {
        return draw(new Chart("c", "step", "y", false, List.of(
                new Series("s", new double[] {51, 60, 100}, new double[] {1, 2, 3})), List.of(bands)));
    }

    private static List<String> attributes(Document page, String tag, String kind, String name) {
        var nodes = page.getElementsByTagName(tag);
        return IntStream.range(0, nodes.getLength()).mapToObj(i -> (Element) nodes.item(i))
                .filter(node -> node.getAttribute("class").equals(kind)).map(node -> node.getAttribute(name)).toList();
    }

    @Test
    void bandsAreOnTheAxisAndEverySecondIsShaded() throws Exception {
        Document page = banded(new Band("first", 0, 50), new Band("b", 50, 51), new Band("last", 51, 60),
                new Band("x", 60, 100));
        assertEquals(List.of("50%", "60%"), attributes(page, "rect", "band", "x"));
        assertEquals(List.of("1%", "40%"), attributes(page, "rect", "band", "width"));
        assertEquals(List.of("0%", "50%", "51%", "60%"), attributes(page, "svg", "edge", "x"));
        assertEquals(List.of("0%", "60%"), attributes(page, "text", "band", "x"));
        assertEquals(List.of("51%"), attributes(page, "text", "band narrow", "x"));
        // A strip stays with its values, which begin right of the first band.
        assertEquals("46.5%", attributes(page, "rect", "strip", "x").getFirst());
    }

    @Test
    void aSingleBandIsNotMarkedButOnTheAxis() throws Exception {
        Document page = banded(new Band("all", 0, 200));
        assertEquals(List.of(), attributes(page, "svg", "edge", "x"));
        assertTrue(((Element) page.getElementsByTagName("path").item(0)).getAttribute("d")
                .matches("M255 [\\d.]+L300 [\\d.]+L500 [\\d.]+"));
    }

    /// Charts of every difficult kind on a page in `target/`, to be looked at in a browser.
    @Test
    void theGalleryIsWellFormed() throws Exception {
        Random random = new Random(3);
        double[] walk = new double[100_000];
        for (int i = 1; i < walk.length; i++) {
            walk[i] = walk[i - 1] + random.nextGaussian();
        }
        Arrays.fill(walk, 40_000, 52_000, NAN);
        walk[70_000] = 2000;
        double[] decay = new double[200];
        Arrays.setAll(decay, i -> 1e3 * Math.exp(-i / 8.0) * Math.exp(0.4 * random.nextGaussian()));
        double[] alternating = new double[60];
        Arrays.setAll(alternating, i -> i % 2 == 0 ? i * i : NAN);
        List<Series> six = IntStream.range(0, 6).mapToObj(s -> new Series("series " + s, upTo(50),
                Arrays.stream(upTo(50)).map(x -> Math.sin(x / 8 + s)).toArray())).toList();
        List<Section> charts = List.of(
                new Chart("100,000 points, a gap, a spike", "step", "walk", false,
                        List.of(new Series("walk", upTo(walk.length), walk))),
                chart(false, 3.5), chart(false, 2e-5, 2e-5, 2e-5), chart(false, alternating), chart(false, NAN),
                chart(true, decay), chart(true, 3, 4, 20, 12), chart(true, 2.1, 2.2, 2.15),
                chart(false, 1e7, 3e7, 2.5e7), chart(false, -3, 2, -1),
                new Chart("six series", "x", "y", false, six));
        String page = HtmlReport.render(new Report("Charts of every difficult kind", charts));
        Files.writeString(Files.createDirectories(Path.of("target")).resolve("report-charts.html"), page);
        assertEquals(charts.size(), HtmlReportTest.parse(page).getElementsByTagName("figure").getLength());
    }
}
