package espalier.engine.model;

import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.util.Optional;
import java.util.stream.IntStream;

/// One linear map of a layer with its optional bias; applies the adapter that the pass has for it.
///
/// @param site which one
/// @param weight `[out, in]`
/// @param bias `[1, out]` or [Tensor#NONE]
record Projection(Site site, Weight weight, Tensor bias) {
    /// The same with a copy of its weight for products with many rows.
    Projection packed(Ops ops, Workspace copies) {
        return new Projection(site, ops.pack(weight, copies), bias);
    }

    /// The same with a copy of the rows and columns that live, unless all do.
    Projection gathered(LiveLayer live, Ops ops, Workspace copies) {
        Optional<int[]> rows = live.outputs(site);
        Optional<int[]> cols = live.inputs(site);
        if (rows.isEmpty() && cols.isEmpty()) {
            return this;
        }
        Weight some = ops.gather(
                weight, rows.orElseGet(() -> all(weight.rows())), cols.orElseGet(() -> all(weight.cols())), copies);
        if (rows.isEmpty() || !bias.isPresent()) {
            return new Projection(site, some, bias);
        }
        Tensor someBias = copies.take(1, some.rows());
        ops.gatherColumns(someBias, bias, rows.get());
        return new Projection(site, some, someBias);
    }

    /// Bytes that [#gathered] takes at most.
    long gatheredBytes(Ops ops) {
        return ops.gatheredBytes(weight) + (bias.isPresent() ? ActivationBytes.aligned(bias.elements()) : 0);
    }

    private static int[] all(int n) {
        return IntStream.range(0, n).toArray();
    }

    int outputs() {
        return weight.rows();
    }

    int inputs() {
        return weight.cols();
    }

    /// y = x W^T + bias + adapter, or y += with `accumulate`.
    void forward(Tensor y, Tensor x, boolean accumulate, LayerCall call) {
        Ops ops = call.ops();
        ops.linear(y, x, weight, accumulate);
        if (bias.isPresent()) {
            ops.addBias(y, bias);
        }
        Optional<LoraAdapter> adapter = call.pass().adapters().get(call.layer(), site);
        if (adapter.isPresent()) {
            long mark = call.ws().mark();
            Tensor low = lowRank(adapter.get(), adapterInput(adapter.get(), x, call), call);
            ops.matmulNT(y, low, adapter.get().b(), adapter.get().scale(), true);
            call.ws().release(mark);
        }
    }

    /// dX = (or +=) dY W + adapter; weight, bias and adapter gradients go to their sinks.
    void backward(Tensor dX, boolean accumulate, Tensor dY, Tensor x, LayerCall call) {
        Ops ops = call.ops();
        WeightGradients sink = call.pass().weightGradients();
        sink.projection(call.layer(), site, weight, dY, x);
        if (bias.isPresent()) {
            Tensor dBias = sink.bias(call.layer(), site);
            if (dBias.isPresent()) {
                ops.biasBackward(dBias, dY);
            }
        }
        ops.linearBackward(dX, dY, weight, accumulate);
        Optional<LoraAdapter> adapter = call.pass().adapters().get(call.layer(), site);
        if (adapter.isPresent()) {
            adapterBackward(dX, dY, x, adapter.get(), call);
        }
    }

    private void adapterBackward(Tensor dX, Tensor dY, Tensor x, LoraAdapter adapter, LayerCall call) {
        Ops ops = call.ops();
        long mark = call.ws().mark();
        Tensor dLow = call.ws().take(dY.rows(), adapter.rank()); // [tokens, rank]
        ops.matmulNN(dLow, dY, adapter.b(), adapter.scale(), false);
        if (adapter.isTrained()) {
            long trained = call.ws().mark();
            Tensor input = adapterInput(adapter, x, call);
            Tensor low = lowRank(adapter, input, call);
            ops.matmulTN(adapter.dB(), dY, low, adapter.scale(), true);
            ops.matmulTN(adapter.dA(), dLow, input, 1, true);
            call.ws().release(trained);
        }
        if (isDropped(adapter, call)) {
            Tensor dInput = call.ws().take(x.rows(), x.cols());
            ops.matmulNN(dInput, dLow, adapter.a(), 1, false);
            call.drop(dX, dInput, site, true);
        } else {
            ops.matmulNN(dX, dLow, adapter.a(), 1, true);
        }
        call.ws().release(mark);
    }

    private static boolean isDropped(LoraAdapter adapter, LayerCall call) {
        return adapter.isTrained() && call.pass().dropout().isOn();
    }

    /// What the adapter reads, `[tokens, in]`: x, or a copy of it with dropout.
    private Tensor adapterInput(LoraAdapter adapter, Tensor x, LayerCall call) {
        if (!isDropped(adapter, call)) {
            return x;
        }
        Tensor dropped = call.ws().take(x.rows(), x.cols());
        call.drop(dropped, x, site, false);
        return dropped;
    }

    /// A x, `[tokens, rank]`.
    private static Tensor lowRank(LoraAdapter adapter, Tensor x, LayerCall call) {
        Tensor low = call.ws().take(x.rows(), adapter.rank());
        call.ops().matmulNT(low, x, adapter.a(), 1, false);
        return low;
    }
}
