package espalier.engine.model;

import espalier.kernels.Check;

/// Widths that hardware and file formats like.
public final class AlignedWidth {
    private AlignedWidth() {}

    /// Rounds to the nearest multiple, halves up, at least one multiple. If that exceeds what there is, the largest
    /// multiple that there is stays, or, if there is less than one, everything.
    ///
    /// @param kept channels that would stay, at least 1
    /// @param width channels that there are, at least `kept`
    /// @param multiple positive; 1 rounds nothing
    /// @return channels that stay
    public static int of(int kept, int width, int multiple) {
        Check.positive("kept channels", kept);
        int aligned = Math.max(multiple, (2 * kept + multiple) / (2 * multiple) * multiple);
        if (aligned <= width) {
            return aligned;
        }
        return width < multiple ? width : width / multiple * multiple;
    }
}
