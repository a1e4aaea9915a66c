package espalier.cli.report;

import java.util.stream.Collectors;

/// Draws [Section.Bars] as inline SVG that takes the width it gets: lengths in percent, heights and text in pixels.
final class BarsSvg {
    /// More parts than these are one length; fewer are told apart, on a phone too.
    private static final int PARTS = 40;
    private static final int PITCH = 18;
    private static final int BAR = 10;
    /// From the top of a row to the bar of its groups, and how thick that is.
    private static final int GROUPS = 11;
    private static final int GROUPS_THICK = 3;

    private final Markup page;
    private final Section.Bars bars;

    private BarsSvg(Markup page, Section.Bars bars) {
        this.page = page;
        this.bars = bars;
    }

    static void write(Markup page, Section.Bars bars) {
        new BarsSvg(page, bars).figure();
    }

    private void figure() {
        int labels = bars.bars().stream().mapToInt(b -> b.label().length()).max().orElse(0);
        int counts = bars.bars().stream().mapToInt(b -> Numbers.whole(b.kept()).length()).max().orElse(0);
        page.raw("<figure>").element("figcaption", bars.caption()).raw("\n");
        page.element("p class=\"note\"", bars.note()).raw("\n");
        page.raw("<div class=\"rows\" style=\"--label:" + labels + ";--count:" + counts + "\">\n")
                .raw("<svg role=\"img\" width=\"100%\" height=\"" + PITCH * bars.bars().size() + "\">")
                .element("title", bars.caption())
                .element("desc", bars.bars().stream().map(Section.Bar::about).collect(Collectors.joining("; ")))
                .raw("\n");
        int top = 0;
        for (Section.Bar bar : bars.bars()) {
            row(bar, top);
            top += PITCH;
        }
        page.raw("</svg>\n</div>\n</figure>\n");
    }

    private void row(Section.Bar bar, int top) {
        String middle = "y=\"" + (top + BAR / 2) + "\" dy=\"0.34em\"";
        page.element("text class=\"y\" x=\"0\" dx=\"-8\" " + middle, bar.label());
        length(bar.kept(), bar.of(), top, BAR, "c0");
        parts(bar.of(), top, BAR, "part");
        bar.groups().ifPresent(groups -> {
            length(groups.kept(), groups.of(), top + GROUPS, GROUPS_THICK, "c1");
            parts(groups.of(), top, GROUPS + GROUPS_THICK, "group");
        });
        page.element("text class=\"count\" x=\"100%\" dx=\"8\" " + middle, Numbers.whole(bar.kept()));
        page.raw("<rect class=\"strip\" y=\"" + (top - 2) + "\" width=\"100%\" height=\"" + PITCH + "\">")
                .element("title", bar.about()).raw("</rect>\n");
    }

    private void length(long kept, long of, int top, int height, String colour) {
        if (of > 0) {
            String place = " y=\"" + top + "\" height=\"" + height + "\" width=\"";
            page.raw("<rect class=\"whole\"" + place + "100%\"/>");
            page.raw("<rect class=\"kept " + colour + "\"" + place + percent(kept, of) + "\"/>");
        }
    }

    private void parts(long of, int top, int height, String kind) {
        for (long i = 1; i < of && of <= PARTS; i++) {
            String x = percent(i, of);
            page.raw("<line class=\"" + kind + "\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + top + "\" y2=\""
                    + (top + height) + "\"/>");
        }
    }

    private static String percent(long part, long of) {
        return ChartSvg.percent((double) part / of);
    }
}
