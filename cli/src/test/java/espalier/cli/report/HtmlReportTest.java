package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.cli.report.Section.Band;
import espalier.cli.report.Section.Chart;
import espalier.cli.report.Section.Column;
import espalier.cli.report.Section.Figure;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;
import org.xml.sax.helpers.DefaultHandler;

class HtmlReportTest {
    private static final String HOSTILE = "<script>alert(1)</script> & \"a\" 'b' \u0000\u001b\u0085\uD800 end";
    private static final String SHOWN = "<script>alert(1)</script> & \"a\" 'b' \uFFFD\uFFFD\uFFFD\uFFFD end";

    static Document parse(String page) throws Exception {
        var builder = DocumentBuilderFactory.newInstance().newDocumentBuilder();
        builder.setErrorHandler(new DefaultHandler());
        return builder.parse(new InputSource(new StringReader(page)));
    }

    /// The sample stays in `target/`, to be looked at in a browser.
    @Test
    void theSampleIsWellFormed() throws Exception {
        String page = HtmlReport.render(SampleRun.report("Recovery of SmolLM2-135M, pruned by 35 %"));
        Files.writeString(Files.createDirectories(Path.of("target")).resolve("report-sample.html"), page);
        Document document = parse(page);
        assertEquals("Recovery of SmolLM2-135M, pruned by 35 %",
                document.getElementsByTagName("h1").item(0).getTextContent());
        assertEquals(4, document.getElementsByTagName("figure").getLength());
        assertTrue(page.length() < 300_000, () -> page.length() + " characters");
    }

    @Test
    void nothingIsFetched() {
        String page = HtmlReport.render(SampleRun.report("Recovery"));
        for (String reference : List.of("http", "src=", "href", "url(", "@import", "<script", "<link", "<!--", "//")) {
            assertFalse(page.contains(reference), reference);
        }
    }

    @Test
    void textIsEscapedEverywhere() throws Exception {
        Series one = new Series(HOSTILE, new double[] {1, 2}, new double[] {3, Double.NaN});
        Series two = new Series(HOSTILE, new double[] {1}, new double[] {4}, Series.Mark.POINTS);
        String page = HtmlReport.render(new Report(HOSTILE, List.of(
                new Section.Text(HOSTILE, HOSTILE),
                new Section.Notices(List.of(HOSTILE)),
                new Section.Figures(List.of(new Figure(HOSTILE, HOSTILE, HOSTILE))),
                new Section.Settings(HOSTILE, Map.of(HOSTILE, HOSTILE)),
                new Section.Table(HOSTILE, List.of(new Column(HOSTILE, false), new Column(HOSTILE, true)),
                        List.of(List.of(HOSTILE, HOSTILE))),
                new Chart(HOSTILE, HOSTILE, HOSTILE, false, List.of(one, two),
                        List.of(new Band("", 0, 1), new Band(HOSTILE, 1, 90))),
                new Section.Bars(HOSTILE, HOSTILE, List.of(
                        new Section.Bar(HOSTILE, 1, 2, Optional.empty(), HOSTILE))))));
        assertFalse(page.contains("<script"));
        Document document = parse(page);
        assertEquals(0, document.getElementsByTagName("script").getLength());
        for (String tag : List.of("h1", "h2", "li", "dt", "dd", "th", "td", "figcaption")) {
            assertEquals(SHOWN, document.getElementsByTagName(tag).item(0).getTextContent(), tag);
        }
        var texts = document.getElementsByTagName("text");
        assertTrue(IntStream.range(0, texts.getLength()).anyMatch(i -> texts.item(i).getTextContent().equals(SHOWN)));
        assertEquals(SHOWN, document.getElementsByTagName("desc").item(0).getTextContent());
        assertEquals(SHOWN + ": " + SHOWN + " by " + SHOWN,
                document.getElementsByTagName("svg").item(0).getAttributes().getNamedItem("aria-label").getNodeValue());
    }

    @Test
    void theSameReportGivesTheSamePageInEveryLocale() {
        String page = HtmlReport.render(SampleRun.report("Recovery"));
        Locale before = Locale.getDefault();
        try {
            for (String tag : List.of("de-DE", "ar-EG-u-nu-arab", "tr-TR")) {
                Locale.setDefault(Locale.forLanguageTag(tag));
                assertEquals(page, HtmlReport.render(SampleRun.report("Recovery")), tag);
            }
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void neighbouringChartsShareABlock() {
        Chart chart = new Chart("c", "x", "y", false, List.of(new Series("s", new double[] {1}, new double[] {1})));
        String page = HtmlReport.render(new Report("t",
                List.of(chart, chart, new Section.Text("", "between"), chart)));
        assertEquals(2, page.split("<div class=\"charts\">", -1).length - 1);
        assertFalse(page.contains("<h2>"), "an empty caption gives no heading");
        Section bars = new Section.Bars("b", "", List.of(new Section.Bar("", 1, 1, Optional.empty(), "")));
        assertEquals(List.of("bars", "charts", "bars"), Pattern.compile("<div class=\"(bars|charts)\">")
                .matcher(HtmlReport.render(new Report("t", List.of(bars, bars, chart, chart, bars)))).results()
                .map(match -> match.group(1)).toList());
    }

    @Test
    void settingsKeepTheirOrder() {
        Map<String, String> values = new LinkedHashMap<>();
        for (String name : List.of("zeta", "alpha", "mid", "beta")) {
            values.put(name, "v");
        }
        String page = HtmlReport.render(new Report("t", List.of(new Section.Settings("s", values))));
        assertTrue(page.indexOf("zeta") < page.indexOf("alpha") && page.indexOf("alpha") < page.indexOf("<dt>mid")
                && page.indexOf("<dt>mid") < page.indexOf("beta"));
    }

    @Test
    void brokenSectionsAreRefused() {
        assertMessage("table 't': row 1 has 1 cells, expected 2", () -> new Section.Table("t",
                List.of(new Column("a", false), new Column("b", true)), List.of(List.of("1", "2"), List.of("1"))));
        assertMessage("notices without a line; leave the section out", () -> new Section.Notices(List.of()));
        assertMessage("chart 'c' has no series", () -> new Chart("c", "x", "y", false, List.of()));
        assertMessage("bars 'b' without a bar; leave the section out", () -> new Section.Bars("b", "", List.of()));
        assertMessage("layer 4: 3 of 2 cannot be left",
                () -> new Section.Bar("4", 3, 2, Optional.empty(), "layer 4"));
        assertMessage("layer 4, groups: -1 of 2 cannot be left", () -> new Section.Bar(
                "4", 1, 2, Optional.of(new Section.Groups(-1, 2)), "layer 4"));
        assertMessage("band 'b' from 2.0 to 1.0 is no finite range", () -> new Band("b", 2, 1));
        assertMessage("band 'b' from NaN to 1.0 is no finite range", () -> new Band("b", Double.NaN, 1));
        Series series = new Series("s", new double[0], new double[0]);
        assertMessage("chart 'c': band 'b' begins at 2.0, within the one before it",
                () -> new Chart("c", "x", "y", false, List.of(series),
                        List.of(new Band("a", 0, 3), new Band("b", 2, 4))));
        assertMessage("chart 'c' has 7 series; 6 colours can be told apart",
                () -> new Chart("c", "x", "y", false, Collections.nCopies(7, series)));
        assertMessage("series 's' has 2 x and 1 y", () -> new Series("s", new double[2], new double[1]));
        assertMessage("series 's': x[1] = 1.0 follows 2.0; x must not fall",
                () -> new Series("s", new double[] {2, 1}, new double[2]));
        assertMessage("series 's': x[0] = NaN is not finite",
                () -> new Series("s", new double[] {Double.NaN}, new double[1]));
    }

    @ParameterizedTest
    @ValueSource(strings = {"settings", "figures", "text", "notices", "bars"})
    void everyKindHasItsStyle(String kind) {
        assertTrue(Style.SHEET.contains("." + kind + " "), kind);
    }

    static void assertMessage(String expected, Executable executable) {
        assertEquals(expected, assertThrows(IllegalArgumentException.class, executable).getMessage());
    }
}
