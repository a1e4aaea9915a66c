package espalier.cli.report;

import java.util.List;
import java.util.Objects;

/// A page as data: what it shows, in order. [HtmlReport] writes it.
///
/// @param title plain text; the page's heading and the browser's title
/// @param sections shown from top to bottom; neighbouring charts share a row where the window is wide
///     enough, and so do neighbouring bars
public record Report(String title, List<Section> sections) {
    /// @throws NullPointerException if anything is null
    public Report {
        Objects.requireNonNull(title, "title");
        sections = List.copyOf(sections);
    }
}
