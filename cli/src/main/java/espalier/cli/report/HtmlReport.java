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
        String open = "";
        for (Section section : report.sections()) {
            String block = block(section);
            if (!block.equals(open)) {
                page.raw(open.isEmpty() ? "" : "</div>\n")
                        .raw(block.isEmpty() ? "" : "<div class=\"" + block + "\">\n");
                open = block;
            }
            section(page, section);
        }
        page.raw(open.isEmpty() ? "" : "</div>\n");
        return page.raw("</main>\n</body>\n</html>\n").toString();
    }

    /// @return the class of what neighbouring sections of the kind share; empty if they share nothing
    private static String block(Section section) {
        return switch (section) {
            case Section.Chart _ -> "charts";
            case Section.Bars _ -> "bars";
            case Section.Text _, Section.Notices _, Section.Figures _, Section.Settings _, Section.Table _ -> "";
        };
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
            case Section.Bars bars -> BarsSvg.write(page, bars);
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
