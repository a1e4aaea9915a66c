package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.RopeTable;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;

/// What one layer is run with: everything that is not its weights.
///
/// @param layer index of the layer
/// @param batch the tokens
/// @param pass gates, adapters, sinks
/// @param rope rotations of the positions in use
/// @param ops the backend
/// @param ws memory for activations and temporaries
/// @param rows `[tokens]`, the row in the whole batch that each token belongs to, for dropout
record LayerCall(int layer, Batch batch, Pass pass, RopeTable rope, Ops ops, Workspace ws, int[] rows) {
    /// @return the same in another layer
    LayerCall at(int other) {
        return new LayerCall(other, batch, pass, rope, ops, ws, rows);
    }

    Tensor headGate() {
        return pass.gates().heads().get(layer);
    }

    Tensor ffnGate() {
        return pass.gates().ffn().get(layer);
    }

    Tensor hiddenGate() {
        return pass.gates().hidden();
    }

    Tensor headGateGradient() {
        return pass.gateGradients().heads().get(layer);
    }

    Tensor ffnGateGradient() {
        return pass.gateGradients().ffn().get(layer);
    }

    Tensor hiddenGateGradient() {
        return pass.gateGradients().hidden();
    }

    int normDivisor(int hidden) {
        int divisor = pass.gates().normDivisor();
        return divisor == 0 ? hidden : divisor;
    }

    /// y = (or += with `accumulate`) dropout(x) with the mask of a projection of this layer.
    void drop(Tensor y, Tensor x, Site site, boolean accumulate) {
        ops.dropout(y, x, pass.dropout().key(layer, site), rows, batch.positions(), accumulate);
    }

    int tokens() {
        return batch.tokens();
    }
}
