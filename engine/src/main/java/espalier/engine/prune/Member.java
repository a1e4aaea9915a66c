package espalier.engine.prune;

import espalier.engine.model.Axis;

/// A tensor axis, or a stretch of it, that loses channels when a unit of its group is removed.
///
/// @param tensor the checkpoint's name
/// @param axis which axis
/// @param offset first index along the axis; not 0 only in fused matrices
/// @param rootChannelOf `[length]`, the channel of the group's root axis that each channel of this one belongs to;
///     shared between members, not to be written
/// @param scored whether the tensor counts towards the importance of a unit; a bias does not
public record Member(String tensor, Axis axis, int offset, int[] rootChannelOf, boolean scored) {
    /// @return number of channels
    public int length() {
        return rootChannelOf.length;
    }

    /// @return the module's own name, e.g. `q_proj`
    public String module() {
        String[] path = tensor.split("\\.");
        return path[path.length - 2];
    }

    /// @return the module, what of it is cut, and along which axis: `q_proj rows`, `q_proj.bias rows`
    public String label() {
        return module() + (tensor.endsWith(".bias") ? ".bias " : " ") + axis;
    }
}
