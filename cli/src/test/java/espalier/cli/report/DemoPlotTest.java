package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.xml.sax.InputSource;

class DemoPlotTest {
    @Test
    void barsAreAsLongAsTheNumbers() throws Exception {
        String svg = DemoPlot.render("a <b>", "c", List.of(
                new DemoStage("before", 1000, 4_000_000, 10, 100, "Once & again " + "word ".repeat(60)),
                new DemoStage("pruned", 500, 2_000_000, 40, 125, "Once")));
        Document document = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(svg)));
        assertEquals(16, document.getElementsByTagName("rect").getLength());
        double[] widths = new double[16];
        for (int i = 0; i < widths.length; i++) {
            Element bar = (Element) document.getElementsByTagName("rect").item(i);
            widths[i] = Double.parseDouble(bar.getAttribute("width"));
        }
        // Each bar lies on a track that is as long as the longest of its column.
        double[] shares = {1, 0.5, 1, 0.5, 0.25, 1, 0.8, 1};
        for (int i = 0; i < shares.length; i++) {
            assertEquals(shares[i] * widths[2 * i], widths[2 * i + 1], 0.11, "bar " + i);
        }
        for (String part : List.of("a &lt;b&gt;", "Once &amp; again", "-50.0%", "+300%", "+25.0%", "4.00", "1,000")) {
            assertTrue(svg.contains(part), part);
        }
        int height = Integer.parseInt(document.getDocumentElement().getAttribute("height"));
        for (int i = 0; i < document.getElementsByTagName("text").getLength(); i++) {
            Element text = (Element) document.getElementsByTagName("text").item(i);
            assertTrue(Double.parseDouble(text.getAttribute("y")) < height, text.getTextContent());
        }
    }
}
