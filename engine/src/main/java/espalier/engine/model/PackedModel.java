package espalier.engine.model;

import espalier.kernels.Workspace;

/// A model for work on many rows at once: with copies of its weights in the layout of matrix products, where there is
/// memory for them. The bits of its results do not depend on that.
///
/// @param model what to run; belongs to this
/// @param copies memory of the copies
public record PackedModel(Model model, Workspace copies) implements AutoCloseable {
    /// @param model stays open as long as this; all its layers are in memory
    /// @param mostBytes that copies may take
    /// @return with copies of all frozen weights if these bytes suffice, else with none
    public static PackedModel of(Model model, long mostBytes) {
        Workspace copies = model.ops().newWorkspace();
        try {
            long needed = model.packedBytes();
            return new PackedModel(needed <= mostBytes ? model.packed(copies) : model.shared(), copies);
        } catch (Throwable e) {
            copies.close();
            throw e;
        }
    }

    /// Frees the copies.
    @Override
    public void close() {
        model.close();
        copies.close();
    }
}
