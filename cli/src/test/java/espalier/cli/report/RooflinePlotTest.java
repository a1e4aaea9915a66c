package espalier.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.kernels.roofline.Measurement;
import espalier.kernels.roofline.Roof;
import espalier.kernels.roofline.RooflineReport;
import espalier.kernels.roofline.Work;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class RooflinePlotTest {
    private static final List<Roof> ROOFS = List.of(new Roof(1, 200, 30), new Roof(2, 400, 40));

    private static Measurement row(String kernel, int threads, double flops, double bytes, double seconds) {
        return new Measurement(kernel, "", "f32", "1x" + flops, threads, new Work(flops, bytes), seconds, 0);
    }

    private static Document parse(String svg) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(svg)));
    }

    private static List<Element> elements(Document document, String tag) {
        NodeList nodes = document.getElementsByTagName(tag);
        List<Element> elements = new ArrayList<>();
        for (int i = 0; i < nodes.getLength(); i++) {
            elements.add((Element) nodes.item(i));
        }
        return elements;
    }

    @Test
    void roofsBendAtTheirRidgeAndPointsLieUnderThem() throws Exception {
        RooflineReport report = new RooflineReport("vector", 512, ROOFS, List.of(
                row("linear", 2, 1e9, 1e7, 0.0025), row("swiglu", 2, 1e6, 1e6, 5e-5), row("linear", 1, 1e9, 1e7, 0.005)),
                0);
        String svg = RooflinePlot.render("a <b> & \"c\"", "machine", report);
        Document document = parse(svg);
        List<Element> roofs = elements(document, "path");
        assertEquals(2, roofs.size());
        double[] all = numbers(roofs.getFirst().getAttribute("d"));
        double[] one = numbers(roofs.get(1).getAttribute("d"));
        assertEquals(all[3], all[5], "flat from the ridge on");
        assertTrue(all[3] < all[1] && all[2] > all[0], "rising before");
        assertTrue(one[3] > all[3], "one thread is lower");
        assertTrue(one[2] < all[2], "6.7 lies left of 10");
        List<Element> points = elements(document, "circle");
        assertEquals(3, points.size());
        // 1e9 operations in 2.5 ms are 400 GFLOP/s at 100 FLOP/byte: on the roof.
        double highest = points.stream().mapToDouble(p -> Double.parseDouble(p.getAttribute("cy"))).min().orElseThrow();
        assertEquals(all[3], highest, 0.11);
        assertTrue(elements(document, "text").stream().anyMatch(t -> t.getTextContent().equals("a <b> & \"c\"")));
        assertTrue(svg.contains(">100%<") && svg.contains(">50%<"), svg);
        assertFalse(svg.contains("http://") && svg.replace("http://www.w3.org/2000/svg", "").contains("http"), svg);
        assertTrue(svg.contains("prefers-color-scheme: dark"), svg);
    }

    @Test
    void crowdedPointsGetNumbersThatDoNotCover() throws Exception {
        List<Measurement> rows = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            rows.add(row("linear", 2, 1e9 + i, 1e7, 0.003 + 1e-6 * i));
        }
        Document document = parse(RooflinePlot.render("t", "m", new RooflineReport("vector", 512, ROOFS, rows, 0)));
        List<Element> numbers = elements(document, "text").stream()
                .filter(t -> t.getAttribute("class").startsWith("number"))
                .toList();
        assertEquals(60, numbers.size(), "at the points and in the list");
        for (int i = 0; i < 30; i++) {
            for (int j = 0; j < i; j++) {
                double across = Math.abs(at(numbers.get(i), "x") - at(numbers.get(j), "x"));
                double down = Math.abs(at(numbers.get(i), "y") - at(numbers.get(j), "y"));
                assertTrue(across >= 6 || down >= 9, i + " and " + j);
            }
        }
    }

    private static double at(Element element, String attribute) {
        return Double.parseDouble(element.getAttribute(attribute));
    }

    private static double[] numbers(String path) {
        return Arrays.stream(path.split("[ML ]+")).filter(part -> !part.isEmpty())
                .mapToDouble(Double::parseDouble).toArray();
    }
}
