package espalier.cli.report;

import java.util.List;

/// Writes a [Report] as one HTML file that needs nothing else: style and pictures are inside, there is no script.
public final class HtmlReport {
    private HtmlReport() {}

    /// @return the page, to be saved as UTF-8; the same text for the same report, in every locale
    public static String render(Report report) {
        Markup page = new Markup();
        page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n")
                .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n")
                .raw("<meta name=\"color-scheme\" content=\"light dark\"/>\n")
                .element("title", report.title())
                .raw("\n<style>\n").raw(Style.SHEET).raw("</style>\n</head>\n<body>\n<main>\n<header>")
                .element("p class=\"maker\"", "Espalier").element("h1", report.title()).raw("</header>\n");
        List<Section> sections = report.sections();
        for (int i = 0; i < sections.size(); i++) {
            boolean chart = sections.get(i) instanceof Section.Chart;
            if (chart && !(i > 0 && sections.get(i - 1) instanceof Section.Chart)) {
                page.raw("<div class=\"charts\">\n");
            }
            section(page, sections.get(i));
            if (chart && !(i + 1 < sections.size() && sections.get(i + 1) instanceof Section.Chart)) {
                page.raw("</div>\n");
            }
        }
        return page.raw("</main>\n</body>\n</html>\n").toString();
    }

    private static void section(Markup page, Section section) {
        switch (section) {
            case Section.Text text -> {
                caption(page, text.caption());
                page.element("p class=\"text\"", text.text()).raw("\n");
            }
            case Section.Notices notices -> {
                page.raw("<ul class=\"notices\">\n");
                notices.lines().forEach(line -> page.element("li", line).raw("\n"));
                page.raw("</ul>\n");
            }
            case Section.Figures figures -> figures(page, figures);
            case Section.Settings settings -> settings(page, settings);
            case Section.Table table -> table(page, table);
            case Section.Chart chart -> ChartSvg.write(page, chart);
        }
    }

    private static void caption(Markup page, String caption) {
        if (!caption.isEmpty()) {
            page.element("h2", caption).raw("\n");
        }
    }

    private static void figures(Markup page, Section.Figures figures) {
        page.raw("<dl class=\"figures\">\n");
        for (Section.Figure figure : figures.figures()) {
            page.raw("<div>").element("dt", figure.label()).element("dd class=\"value\"", figure.value());
            if (!figure.note().isEmpty()) {
                page.element("dd class=\"note\"", figure.note());
            }
            page.raw("</div>\n");
        }
        page.raw("</dl>\n");
    }

    private static void settings(Markup page, Section.Settings settings) {
        caption(page, settings.caption());
        page.raw("<dl class=\"settings\">\n");
        settings.values().forEach((name, value) ->
                page.raw("<div>").element("dt", name).element("dd", value).raw("</div>\n"));
        page.raw("</dl>\n");
    }

    private static void table(Markup page, Section.Table table) {
        caption(page, table.caption());
        page.raw("<div class=\"scroll\"><table>\n<thead><tr>");
        for (Section.Column column : table.columns()) {
            page.element(column.numeric() ? "th scope=\"col\" class=\"number\"" : "th scope=\"col\"", column.name());
        }
        page.raw("</tr></thead>\n<tbody>\n");
        for (List<String> row : table.rows()) {
            page.raw("<tr>");
            for (int i = 0; i < row.size(); i++) {
                page.element(table.columns().get(i).numeric() ? "td class=\"number\"" : "td", row.get(i));
            }
            page.raw("</tr>\n");
        }
        page.raw("</tbody>\n</table></div>\n");
    }
}
