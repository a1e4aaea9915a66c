package espalier.kernels.roofline;

import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Tensor;
import java.util.Arrays;

/// Causal attention of one sequence and its backward. The last key/value head with its query heads is compared.
final class AttentionKernels {
    private final RooflineShape shape;
    private final int tokens;

    AttentionKernels(RooflineShape shape, int tokens) {
        this.shape = shape;
        this.tokens = tokens;
    }

    Kernel forward() {
        return kernel("attention", Work.attention(tokens, shape.heads(), shape.kvHeads(), shape.headDim()), memory -> {
            Run run = new Run(memory, 0, shape.queriesPerKv());
            return new Kernel.Call(1, _ -> run.forward(), reference -> {
                Run expected = runOfLastGroup(reference);
                expected.forward();
                return new Deviation().add(reference.host(expected.out), run.lastOf(run.out, expected.out)).relative();
            });
        });
    }

    Kernel backward() {
        Work work = Work.attentionBackward(tokens, shape.heads(), shape.kvHeads(), shape.headDim());
        return kernel("attention_backward", work, memory -> {
            Run run = new Run(memory, 0, shape.queriesPerKv());
            run.forward();
            return new Kernel.Call(1, _ -> run.backward(), reference -> {
                Run expected = runOfLastGroup(reference);
                expected.forward();
                expected.backward();
                double error = 0;
                for (int i = 0; i < run.gradients.length; i++) {
                    Deviation deviation = new Deviation().add(
                            reference.host(expected.gradients[i]), run.lastOf(run.gradients[i], expected.gradients[i]));
                    error = Math.max(error, deviation.relative());
                }
                return error;
            });
        });
    }

    private Kernel kernel(String name, Work work, Kernel.Setup setup) {
        String sizes = "%dx%d/%dx%d".formatted(tokens, shape.heads(), shape.kvHeads(), shape.headDim());
        return new Kernel(name, "", "f32", sizes, work, setup);
    }

    private Run runOfLastGroup(Operands reference) {
        int[] groups = shape.queriesPerKv();
        return new Run(reference, groups.length - 1, new int[] {groups[groups.length - 1]});
    }

    /// Attention of some neighbouring groups of heads.
    private final class Run {
        final Operands memory;
        final HeadMap heads;
        final Tensor q;
        final Tensor k;
        final Tensor v;
        final Tensor dOut;
        final Tensor out;
        final Tensor lse;
        /// Of q, k and v.
        final Tensor[] gradients;

        /// @param firstGroup the key/value head that the groups begin with
        Run(Operands memory, int firstGroup, int[] groups) {
            this.memory = memory;
            heads = HeadMap.of(groups, shape.headDim());
            int firstHead = Arrays.stream(shape.queriesPerKv()).limit(firstGroup).sum();
            q = columns(firstHead, heads.heads(), shape.heads(), 1);
            k = columns(firstGroup, groups.length, shape.kvHeads(), 2);
            v = columns(firstGroup, groups.length, shape.kvHeads(), 3);
            dOut = columns(firstHead, heads.heads(), shape.heads(), 4);
            out = memory.take(tokens, q.cols());
            lse = memory.take(tokens, heads.heads());
            gradients = new Tensor[] {
                memory.take(tokens, q.cols()), memory.take(tokens, k.cols()), memory.take(tokens, k.cols())
            };
        }

        /// The columns of some heads of a tensor with all heads.
        private Tensor columns(int firstHead, int count, int all, int seed) {
            int headDim = shape.headDim();
            float[] values = new float[tokens * count * headDim];
            for (int t = 0; t < tokens; t++) {
                float[] row = Operands.values(((long) t * all + firstHead) * headDim, count * headDim, seed);
                System.arraycopy(row, 0, values, t * row.length, row.length);
            }
            return memory.of(values, tokens, count * headDim);
        }

        void forward() {
            memory.ops().attention(out, lse, q, KeyValues.packed(new int[] {0, tokens}, k, v), heads);
        }

        void backward() {
            memory.ops().attentionBackward(
                    gradients[0], gradients[1], gradients[2], dOut, out, lse, q, k, v, new int[] {0, tokens}, heads);
        }

        /// The last columns of a tensor of this run, as many as the other one has.
        float[] lastOf(Tensor tensor, Tensor other) {
            float[] all = memory.host(tensor);
            float[] last = new float[(int) other.elements()];
            for (int t = 0; t < tokens; t++) {
                System.arraycopy(
                        all, (t + 1) * tensor.cols() - other.cols(), last, t * other.cols(), other.cols());
            }
            return last;
        }
    }
}
