package espalier.cli.report;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// One part of a [Report]. All text is plain: it is escaped where it is written. An empty caption gives no heading.
public sealed interface Section {
    /// A paragraph.
    ///
    /// @param caption heading above it
    /// @param text plain text
    record Text(String caption, String text) implements Section {
        /// @throws NullPointerException if anything is null
        public Text {
            Objects.requireNonNull(caption, "caption");
            Objects.requireNonNull(text, "text");
        }
    }

    /// What the reader must not overlook, one line each.
    ///
    /// @param lines plain text, at least one
    record Notices(List<String> lines) implements Section {
        /// @throws IllegalArgumentException without a line
        public Notices {
            lines = List.copyOf(lines);
            if (lines.isEmpty()) {
                throw new IllegalArgumentException("notices without a line; leave the section out");
            }
        }
    }

    /// The few numbers that answer "how did it go", in large type.
    ///
    /// @param figures shown in order
    record Figures(List<Figure> figures) implements Section {
        /// @throws NullPointerException if anything is null
        public Figures {
            figures = List.copyOf(figures);
        }
    }

    /// One number of [Figures].
    ///
    /// @param label what it is
    /// @param value the number with its unit
    /// @param note small print below, may be empty
    record Figure(String label, String value, String note) {
        /// @throws NullPointerException if anything is null
        public Figure {
            Objects.requireNonNull(label, "label");
            Objects.requireNonNull(value, "value");
            Objects.requireNonNull(note, "note");
        }
    }

    /// Names and values.
    ///
    /// @param caption heading above them
    /// @param values shown in the map's order
    record Settings(String caption, Map<String, String> values) implements Section {
        /// @throws NullPointerException if the caption or the map is null
        public Settings {
            Objects.requireNonNull(caption, "caption");
            values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
        }
    }

    /// Rows under headings.
    ///
    /// @param caption heading above it
    /// @param columns at least one
    /// @param rows cells as they are shown, one for each column
    record Table(String caption, List<Column> columns, List<List<String>> rows) implements Section {
        /// @throws IllegalArgumentException if a row has another number of cells than there are columns
        public Table {
            Objects.requireNonNull(caption, "caption");
            columns = List.copyOf(columns);
            rows = rows.stream().map(List::copyOf).toList();
            for (int i = 0; i < rows.size(); i++) {
                if (rows.get(i).size() != columns.size()) {
                    throw new IllegalArgumentException("table '%s': row %d has %d cells, expected %d"
                            .formatted(caption, i, rows.get(i).size(), columns.size()));
                }
            }
        }
    }

    /// A column of a [Table].
    ///
    /// @param name heading
    /// @param numeric aligned to the right; give all its cells the same number of decimals, so that the points line up
    record Column(String name, boolean numeric) {
        /// @throws NullPointerException if the name is null
        public Column {
            Objects.requireNonNull(name, "name");
        }
    }

    /// Curves over one pair of axes.
    ///
    /// @param caption heading above it
    /// @param xLabel what runs to the right, e.g. `step`
    /// @param yLabel what runs upwards, with its unit; empty where the caption says it
    /// @param log whether the vertical axis is logarithmic; values that are not positive then leave a gap
    /// @param series at least one; drawn in order, so later ones lie on top
    /// @param bands parts of the horizontal axis with a name, from left to right; the axis holds all of them
    record Chart(
            String caption, String xLabel, String yLabel, boolean log, List<Series> series, List<Band> bands)
            implements Section {
        /// How many colours can be told apart; a [Series.Mark#FAINT] series shares the colour of the one after it.
        public static final int COLOURS = 6;

        /// @throws IllegalArgumentException without a series, or with more of them than there are colours
        public Chart {
            Objects.requireNonNull(caption, "caption");
            Objects.requireNonNull(xLabel, "xLabel");
            Objects.requireNonNull(yLabel, "yLabel");
            series = List.copyOf(series);
            bands = List.copyOf(bands);
            if (series.isEmpty()) {
                throw new IllegalArgumentException("chart '" + caption + "' has no series");
            }
            long coloured = series.stream().filter(s -> s.mark() != Series.Mark.FAINT).count();
            if (coloured > COLOURS) {
                throw new IllegalArgumentException("chart '%s' has %d series; %d colours can be told apart"
                        .formatted(caption, coloured, COLOURS));
            }
            for (int i = 1; i < bands.size(); i++) {
                if (bands.get(i).from() < bands.get(i - 1).to()) {
                    throw new IllegalArgumentException("chart '%s': band '%s' begins at %s, within the one before it"
                            .formatted(caption, bands.get(i).name(), bands.get(i).from()));
                }
            }
        }

        /// Without bands.
        public Chart(String caption, String xLabel, String yLabel, boolean log, List<Series> series) {
            this(caption, xLabel, yLabel, log, series, List.of());
        }
    }

    /// A part of the horizontal axis of a [Chart].
    ///
    /// @param name plain text
    /// @param from where it begins, finite
    /// @param to where it ends, finite, not before `from`
    record Band(String name, double from, double to) {
        /// @throws IllegalArgumentException if it is not from left to right
        public Band {
            Objects.requireNonNull(name, "name");
            if (!(Double.isFinite(from) && Double.isFinite(to) && from <= to)) {
                throw new IllegalArgumentException(
                        "band '%s' from %s to %s is no finite range".formatted(name, from, to));
            }
        }
    }

    /// How much is left of several things of a kind, a bar each: full and empty parts.
    ///
    /// @param caption heading above them
    /// @param note what a full bar is, e.g. `of 9 in each layer`; may be empty
    /// @param bars from top to bottom, at least one
    record Bars(String caption, String note, List<Bar> bars) implements Section {
        /// @throws IllegalArgumentException without a bar
        public Bars {
            Objects.requireNonNull(caption, "caption");
            Objects.requireNonNull(note, "note");
            bars = List.copyOf(bars);
            if (bars.isEmpty()) {
                throw new IllegalArgumentException("bars '" + caption + "' without a bar; leave the section out");
            }
        }
    }

    /// One of [Bars].
    ///
    /// @param label short: it stands left of the bar
    /// @param kept how many are left, which is written right of the bar
    /// @param of how many there were; few are drawn one by one
    /// @param groups a thinner bar below, of what the bar's parts share
    /// @param about all of it in words
    record Bar(String label, long kept, long of, Optional<Groups> groups, String about) {
        /// @throws IllegalArgumentException if more are left than there were
        public Bar {
            Objects.requireNonNull(label, "label");
            Objects.requireNonNull(groups, "groups");
            Objects.requireNonNull(about, "about");
            checkKept(about, kept, of);
            groups.ifPresent(g -> checkKept(about + ", groups", g.kept(), g.of()));
        }
    }

    /// The groups of a [Bar].
    ///
    /// @param kept how many are left
    /// @param of how many there were
    record Groups(long kept, long of) {}

    private static void checkKept(String what, long kept, long of) {
        if (kept < 0 || kept > of) {
            throw new IllegalArgumentException("%s: %d of %d cannot be left".formatted(what, kept, of));
        }
    }
}
