package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import espalier.cli.report.Section.Bar;
import espalier.cli.report.Section.Groups;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class BarsSvgTest {
    private static Document draw(Bar... bars) throws Exception {
        String page = HtmlReport.render(new Report("t", List.of(new Section.Bars("Heads", "of some", List.of(bars)))));
        assertFalse(page.contains("NaN") || page.contains("Infinity"), "a length is not a number");
        return HtmlReportTest.parse(page);
    }

    private static List<Element> elements(Document page, String tag, String kind) {
        var nodes = page.getElementsByTagName(tag);
        return IntStream.range(0, nodes.getLength()).mapToObj(i -> (Element) nodes.item(i))
                .filter(node -> node.getAttribute("class").equals(kind)).toList();
    }

    private static List<String> widths(Document page, String kind) {
        return elements(page, "rect", kind).stream().map(node -> node.getAttribute("width")).toList();
    }

    private static Bar bar(long kept, long of) {
        return new Bar("0", kept, of, Optional.empty(), "layer 0");
    }

    @Test
    void lengthsAreShares() throws Exception {
        Document page = draw(bar(3, 4), bar(0, 4), bar(4, 4), bar(1000, 3000));
        assertEquals(List.of("75%", "0%", "100%", "33.33%"), widths(page, "kept c0"));
        assertEquals(List.of("3", "0", "4", "1,000"),
                elements(page, "text", "count").stream().map(Element::getTextContent).toList());
    }

    @Test
    void fewPartsAreToldApart() throws Exception {
        assertEquals(List.of("25%", "50%", "75%"), elements(draw(bar(3, 4)), "line", "part").stream()
                .map(line -> line.getAttribute("x1")).toList());
        assertEquals(0, elements(draw(bar(3, 1536)), "line", "part").size());
    }

    @Test
    void groupsHaveABarOfTheirOwn() throws Exception {
        Document page = draw(new Bar("0", 5, 9, Optional.of(new Groups(2, 3)), "layer 0"));
        assertEquals(List.of("66.67%"), widths(page, "kept c1"));
        assertEquals(List.of("33.33%", "66.67%"), elements(page, "line", "group").stream()
                .map(line -> line.getAttribute("x1")).toList());
    }

    @Test
    void nothingOfNothingHasNoBar() throws Exception {
        Document page = draw(bar(0, 0));
        assertEquals(List.of(), widths(page, "whole"));
        assertEquals("0", elements(page, "text", "count").getFirst().getTextContent());
    }

    @Test
    void thePictureIsToldInWords() throws Exception {
        Document page = draw(new Bar("0", 5, 9, Optional.empty(), "layer 0: 5 of 9"),
                new Bar("1", 9, 9, Optional.empty(), "layer 1: 9 of 9"));
        assertEquals("layer 0: 5 of 9; layer 1: 9 of 9",
                page.getElementsByTagName("desc").item(0).getTextContent());
        assertEquals(List.of("layer 0: 5 of 9", "layer 1: 9 of 9"),
                elements(page, "rect", "strip").stream().map(Element::getTextContent).toList());
    }
}
