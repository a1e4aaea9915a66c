package espalier.bench.peers;

import espalier.kernels.AdamWStep;
import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.HeadMap;
import espalier.kernels.KeyValues;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.StoredMatrix;
import espalier.kernels.Tensor;
import espalier.kernels.Weight;
import espalier.kernels.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// One kernel of the vector backend with its operands, random numbers in `-1 .. 1`.
final class Kernels implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final int[] size;
    private final Ops ops;
    private final Workspace memory;
    private final Ceilings ceilings;
    private final Runnable body;
    private long seed;

    /// @param name of the kernel
    /// @param numbers its sizes, then the threads
    Kernels(String name, int[] numbers) {
        size = Arrays.copyOf(numbers, numbers.length - 1);
        ops = Backends.open(Backends.Choice.VECTOR, numbers[numbers.length - 1]);
        memory = ops.newWorkspace();
        ceilings = new Ceilings(ops.threads());
        body = body(name);
    }

    Runnable body() {
        return body;
    }

    private Runnable body(String name) {
        return switch (name) {
            case "multiplyAdds" -> () -> ceilings.multiplyAdds(size[0]);
            case "read" -> read((long) size[0] << 20);
            case "regions" -> () -> regions(size[0]);
            case "nt" -> product(size[0], size[1], size[2], DType.F32);
            case "ntBf16" -> product(size[0], size[1], size[2], DType.BF16);
            case "packed" -> packedProduct(size[0], size[1], size[2], DType.F32);
            case "packedBf16" -> packedProduct(size[0], size[1], size[2], DType.BF16);
            case "nn" -> backwardProduct(size[0], size[1], size[2]);
            case "tn" -> gradientProduct(size[0], size[1], size[2]);
            case "attention" -> attention(size[0], size[1], size[2], size[3], size[4], false);
            case "attentionBackward" -> attention(size[0], size[1], size[2], size[3], size[4], true);
            case "crossEntropy" -> crossEntropy(size[0], size[1]);
            case "logSumExp" -> logSumExp(size[0], size[1]);
            case "kl" -> kl(size[0], size[1]);
            case "rmsNorm" -> rmsNorm(size[0], size[1]);
            case "rmsNormBackward" -> rmsNormBackward(size[0], size[1]);
            case "swiglu" -> swiglu(size[0], size[1]);
            case "swigluBackward" -> swigluBackward(size[0], size[1]);
            case "adamW" -> adamW(size[0]);
            default -> throw new IllegalArgumentException("unknown kernel " + name);
        };
    }

    private Runnable read(long bytes) {
        MemorySegment data = arena.allocate(bytes, 64);
        data.fill((byte) 1);
        return () -> ceilings.read(data.address(), bytes);
    }

    private void regions(int count) {
        for (int i = 0; i < count; i++) {
            ceilings.region();
        }
    }

    private Tensor random(int rows, int cols) {
        Philox random = new Philox(++seed, 0);
        float[] values = new float[Math.multiplyExact(rows, cols)];
        for (int i = 0; i < values.length; i++) {
            values[i] = 2 * random.uniformFloat(i) - 1;
        }
        Tensor tensor = memory.take(rows, cols);
        ops.fromHost(values, tensor);
        return tensor;
    }

    private Weight weight(int rows, int cols, DType type) {
        MemorySegment data = arena.allocate((long) rows * cols * type.bytes(), 64);
        Philox random = new Philox(++seed, 0);
        for (long i = 0; i < (long) rows * cols; i++) {
            float value = 2 * random.uniformFloat(i) - 1;
            switch (type) {
                case F32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                case BF16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(value) >>> 16));
                case F16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(value));
            }
        }
        return ops.prepare(new StoredMatrix("w", type, rows, cols, data));
    }

    private Runnable product(int m, int k, int n, DType type) {
        Tensor x = random(m, k);
        Tensor y = random(m, n);
        Weight w = weight(n, k, type);
        return () -> ops.linear(y, x, w, false);
    }

    private Runnable packedProduct(int m, int k, int n, DType type) {
        Tensor x = random(m, k);
        Tensor y = random(m, n);
        Weight w = ops.pack(weight(n, k, type), memory);
        return () -> ops.linear(y, x, w, false);
    }

    /// `[m, k] [k, n]`, the weight as stored being `[k, n]`.
    private Runnable backwardProduct(int m, int k, int n) {
        Tensor x = random(m, k);
        Tensor y = random(m, n);
        Weight w = weight(k, n, DType.F32);
        return () -> ops.linearBackward(y, x, w, false);
    }

    /// The gradient `[n, k]` of a weight over `m` tokens.
    private Runnable gradientProduct(int m, int k, int n) {
        Tensor x = random(m, k);
        Tensor dY = random(m, n);
        Tensor dW = random(n, k);
        return () -> ops.weightGradient(dW, dY, 0, x, false);
    }

    private Runnable attention(int sequences, int tokens, int headDim, int queryHeads, int kvHeads, boolean backward) {
        int rows = sequences * tokens;
        int[] start = new int[sequences + 1];
        Arrays.setAll(start, i -> i * tokens);
        int[] queries = new int[kvHeads];
        Arrays.fill(queries, queryHeads / kvHeads);
        HeadMap heads = HeadMap.of(queries, headDim);
        Tensor q = random(rows, queryHeads * headDim);
        Tensor k = random(rows, kvHeads * headDim);
        Tensor v = random(rows, kvHeads * headDim);
        Tensor out = random(rows, queryHeads * headDim);
        Tensor lse = random(rows, queryHeads);
        KeyValues kv = KeyValues.packed(start, k, v);
        if (!backward) {
            return () -> ops.attention(out, lse, q, kv, heads);
        }
        ops.attention(out, lse, q, kv, heads);
        Tensor dOut = random(rows, queryHeads * headDim);
        Tensor dQ = random(rows, queryHeads * headDim);
        Tensor dK = random(rows, kvHeads * headDim);
        Tensor dV = random(rows, kvHeads * headDim);
        return () -> ops.attentionBackward(dQ, dK, dV, dOut, out, lse, q, k, v, start, heads);
    }

    private int[] targets(int rows, int vocab) {
        int[] targets = new int[rows];
        Arrays.setAll(targets, i -> (int) (i * 7919L % vocab));
        return targets;
    }

    /// The gradient lies where the logits were, so the next call's logits are small: as much work.
    private Runnable crossEntropy(int rows, int vocab) {
        Tensor logits = random(rows, vocab);
        double[] loss = new double[rows];
        int[] targets = targets(rows, vocab);
        return () -> ops.crossEntropy(loss, logits, targets, 1f / rows);
    }

    private Runnable logSumExp(int rows, int vocab) {
        Tensor logits = random(rows, vocab);
        double[] sum = new double[rows];
        return () -> ops.logSumExp(sum, logits);
    }

    private Runnable kl(int rows, int vocab) {
        Tensor student = random(rows, vocab);
        Tensor teacher = random(rows, vocab);
        double[] loss = new double[rows];
        return () -> ops.klDivergence(loss, student, teacher, 2, 1f / rows);
    }

    private Runnable rmsNorm(int rows, int hidden) {
        Tensor x = random(rows, hidden);
        Tensor y = random(rows, hidden);
        Tensor w = random(1, hidden);
        Tensor rstd = random(rows, 1);
        return () -> ops.rmsNorm(y, rstd, x, w, 1e-5f, hidden);
    }

    private Runnable rmsNormBackward(int rows, int hidden) {
        Tensor x = random(rows, hidden);
        Tensor dX = random(rows, hidden);
        Tensor dY = random(rows, hidden);
        Tensor w = random(1, hidden);
        Tensor dW = random(1, hidden);
        Tensor rstd = random(rows, 1);
        return () -> ops.rmsNormBackward(dX, dW, dY, x, w, rstd, hidden);
    }

    private Runnable swiglu(int rows, int ffn) {
        Tensor y = random(rows, ffn);
        Tensor gate = random(rows, ffn);
        Tensor up = random(rows, ffn);
        return () -> ops.swiglu(y, gate, up, Tensor.NONE);
    }

    private Runnable swigluBackward(int rows, int ffn) {
        Tensor dY = random(rows, ffn);
        Tensor gate = random(rows, ffn);
        Tensor up = random(rows, ffn);
        Tensor dGate = random(rows, ffn);
        Tensor dUp = random(rows, ffn);
        return () -> ops.swigluBackward(dGate, dUp, Tensor.NONE, dY, gate, up, Tensor.NONE);
    }

    private Runnable adamW(int n) {
        Tensor p = random(1, n);
        Tensor g = random(1, n);
        Tensor m = memory.take(1, n);
        Tensor v = memory.take(1, n);
        ops.fill(m, 0);
        ops.fill(v, 0);
        AdamWStep step = new AdamWStep(1e-3, 0.9, 0.999, 1e-8, 0.1, 10, 1);
        return () -> ops.adamW(p, m, v, g, step);
    }

    @Override
    public void close() {
        memory.close();
        ceilings.close();
        ops.close();
        arena.close();
    }
}
