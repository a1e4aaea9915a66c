package espalier.engine.train;

import espalier.engine.model.Parameter;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Adds the gradients of micro-batches in an order that depends on their indices alone, so that neither the number of
/// ranks nor who finishes first changes a bit.
///
/// The order is a binary tree over the index: a node of level `k` at position `p` is the sum of the micro-batches
/// `p 2^k ..< (p + 1) 2^k`, that is of the nodes `2 p` and `2 p + 1` of the level below. A sum is formed as soon as both
/// of its parts are there (a + b has the bits of b + a), so a run over indices in order holds one node for each level.
/// Where the number of micro-batches is no power of two, a node whose right part does not exist is its left part.
public final class GradientTree implements AutoCloseable {
    private final Ops ops;
    private final List<Parameter> parameters;
    private final Workspace memory;
    private final Deque<List<Tensor>> spare = new ArrayDeque<>();
    private final Map<Node, List<Tensor>> sums = new HashMap<>();

    private record Node(int level, int position) {
        Node parent() {
            return new Node(level + 1, position >> 1);
        }

        Node sibling() {
            return new Node(level, position ^ 1);
        }
    }

    /// @param parameters whose gradients are added
    /// @param ops the backend; it must stay open as long as this
    public GradientTree(List<Parameter> parameters, Ops ops) {
        this.ops = ops;
        this.parameters = List.copyOf(parameters);
        this.memory = ops.newWorkspace();
    }

    /// Takes the present gradients as those of a micro-batch, and sets them to zero.
    ///
    /// @param index of the micro-batch in the whole batch, from 0; each is taken once, in any order
    public void take(int index) {
        List<Tensor> copy = spare.isEmpty() ? newTensors() : spare.pop();
        for (int i = 0; i < copy.size(); i++) {
            Tensor gradient = parameters.get(i).gradient();
            ops.copy(copy.get(i), gradient);
            ops.fill(gradient, 0);
        }
        add(new Node(0, index), copy);
    }

    /// Takes over the sums of another rank.
    ///
    /// @param other of the same backend, over the same parameters and other micro-batches; empty afterwards
    public void merge(GradientTree other) {
        other.sums.forEach((node, sum) -> {
            List<Tensor> copy = spare.isEmpty() ? newTensors() : spare.pop();
            for (int i = 0; i < copy.size(); i++) {
                ops.copy(copy.get(i), sum.get(i));
            }
            add(node, copy);
        });
        other.clear();
    }

    private List<Tensor> newTensors() {
        List<Tensor> tensors = new ArrayList<>();
        for (Parameter parameter : parameters) {
            tensors.add(memory.take(parameter.value().rows(), parameter.value().cols()));
        }
        return tensors;
    }

    private void add(Node first, List<Tensor> sum) {
        Node node = first;
        for (List<Tensor> other = sums.remove(node.sibling()); other != null; other = sums.remove(node.sibling())) {
            addTo(sum, other);
            node = node.parent();
        }
        if (sums.put(node, sum) != null) {
            throw new IllegalArgumentException("micro-batch " + first.position + " was taken twice");
        }
    }

    private void addTo(List<Tensor> sum, List<Tensor> other) {
        for (int i = 0; i < sum.size(); i++) {
            ops.addScaled(sum.get(i), other.get(i), 1);
        }
        spare.push(other);
    }

    /// Sets the gradients to the sum over all micro-batches, and forgets them.
    ///
    /// @param count of micro-batches, all of which were taken
    /// @throws IllegalStateException if some were not
    public void finish(int count) {
        List<Tensor> sum = sum(new Node(32 - Integer.numberOfLeadingZeros(Math.max(0, count - 1)), 0), count);
        for (int i = 0; i < sum.size(); i++) {
            ops.copy(parameters.get(i).gradient(), sum.get(i));
        }
        spare.push(sum);
        if (!sums.isEmpty()) {
            throw new IllegalStateException("more micro-batches were taken than the " + count + " that are expected");
        }
    }

    private List<Tensor> sum(Node node, int count) {
        List<Tensor> complete = sums.remove(node);
        if (complete != null) {
            return complete;
        }
        if (node.level == 0) {
            throw new IllegalStateException(
                    "the gradients of micro-batch " + node.position + " of " + count + " are missing");
        }
        int half = node.level - 1;
        List<Tensor> left = sum(new Node(half, 2 * node.position), count);
        long rightStart = (2L * node.position + 1) << half;
        if (rightStart < count) {
            addTo(left, sum(new Node(half, 2 * node.position + 1), count));
        }
        return left;
    }

    /// Forgets what was taken.
    public void clear() {
        sums.values().forEach(spare::push);
        sums.clear();
    }

    /// @return bytes held
    public long heldBytes() {
        return memory.heldBytes();
    }

    /// Frees the sums.
    @Override
    public void close() {
        memory.close();
    }
}
