package espalier.engine.model;

/// An axis of a weight stored `[out, in]`. A bias or a norm weight has rows only.
public enum Axis {
    /// Output channels.
    ROWS,
    /// Input channels.
    COLUMNS;

    @Override
    public String toString() {
        return this == ROWS ? "rows" : "columns";
    }
}
