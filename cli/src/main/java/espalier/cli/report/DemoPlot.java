package espalier.cli.report;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/// The result of the demo as an SVG file that needs nothing else: a row for each stage with its numbers as bars, and
/// below what each model wrote.
public final class DemoPlot {
    private static final int WIDTH = 960;
    private static final int LEFT = 32;
    private static final int FIRST_COLUMN = 140;
    private static final int COLUMN = 204;
    private static final int BAR = 176;
    private static final int TOP = 104;
    private static final int ROW = 52;
    private static final int LINE = 19;
    private static final int CHARACTERS = 96;

    private static final String STYLE = Palette.SHEET + """
            text { font-size: 13.5px; }
            .name { font-weight: 650; }
            rect { fill: var(--c); }
            .track { fill: var(--hair); }
            """;

    private final List<DemoStage> stages;
    private final Markup out = new Markup();

    private DemoPlot(List<DemoStage> stages) {
        this.stages = stages;
    }

    /// @param title heading
    /// @param about second line
    /// @param stages what was found; the first is what others are compared with
    /// @return the file's text
    public static String render(String title, String about, List<DemoStage> stages) {
        return new DemoPlot(stages).render(title, about);
    }

    private String render(String title, String about) {
        List<List<String>> samples =
                stages.stream().map(stage -> Wrapping.lines(stage.sample(), CHARACTERS)).toList();
        int lines = samples.stream().mapToInt(List::size).sum();
        int below = TOP + ROW * stages.size() + 24;
        int height = below + LINE * lines + 12 * samples.size() + 12;
        out.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n"
                .formatted(WIDTH, height, WIDTH, height));
        out.element("title", title).raw("\n<style>\n").raw(STYLE).raw("</style>\n");
        text("title", LEFT, 38, title);
        text("soft", LEFT, 61, about);
        column(0, "parameters", DemoStage::parameters, "%,.0f");
        column(1, "weights, MB", stage -> stage.bytes() * 1e-6, "%,.2f");
        column(2, "perplexity", DemoStage::perplexity, "%,.2f");
        column(3, "tokens/s", DemoStage::tokensPerSecond, "%,.0f");
        double at = below;
        for (int i = 0; i < stages.size(); i++) {
            text("name", LEFT, TOP + ROW * i + 17, stages.get(i).name());
            text("name", LEFT, at, stages.get(i).name());
            for (String line : samples.get(i)) {
                text("", FIRST_COLUMN, at, line);
                at += LINE;
            }
            at += 12;
        }
        return out.raw("</svg>\n").toString();
    }

    private void column(int index, String name, ToDoubleFunction<DemoStage> number, String format) {
        double left = FIRST_COLUMN + COLUMN * index;
        double most = stages.stream().mapToDouble(number).max().orElseThrow();
        text("soft", left, TOP - 10, name);
        for (int i = 0; i < stages.size(); i++) {
            double value = number.applyAsDouble(stages.get(i));
            double top = TOP + ROW * i;
            text("", left, top + 17, String.format(Locale.ROOT, format, value));
            if (i > 0) {
                text("soft end", left + BAR, top + 17,
                        DemoStage.change(value, number.applyAsDouble(stages.getFirst())));
            }
            bar("track", left, top + 24, BAR);
            bar("c" + i, left, top + 24, BAR * value / most);
        }
    }

    private void bar(String style, double left, double top, double width) {
        out.raw("<rect class=\"%s\" x=\"%s\" y=\"%s\" width=\"%s\" height=\"8\" rx=\"1\"/>\n"
                .formatted(style, number(left), number(top), number(width)));
    }

    private void text(String style, double at, double baseline, String text) {
        out.element(
                "text class=\"%s\" x=\"%s\" y=\"%s\"".formatted(style, number(at), number(baseline)), text).raw("\n");
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }
}
