package espalier.engine.testing;

import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

/// A workspace that remembers how high its stack has been.
public final class HighestMark implements Workspace {
    private final Workspace workspace;
    private long highest;

    /// @param workspace does the work; closed with this
    public HighestMark(Workspace workspace) {
        this.workspace = workspace;
    }

    /// @return the most bytes that were taken at a time
    public long bytes() {
        return highest;
    }

    @Override
    public Tensor take(int rows, int cols) {
        return taken(workspace.take(rows, cols));
    }

    @Override
    public Tensor takeZeros(int rows, int cols) {
        return taken(workspace.takeZeros(rows, cols));
    }

    private Tensor taken(Tensor tensor) {
        highest = Math.max(highest, workspace.mark());
        return tensor;
    }

    @Override
    public long mark() {
        return workspace.mark();
    }

    @Override
    public void release(long mark) {
        workspace.release(mark);
    }

    @Override
    public long heldBytes() {
        return workspace.heldBytes();
    }

    @Override
    public void close() {
        workspace.close();
    }
}
