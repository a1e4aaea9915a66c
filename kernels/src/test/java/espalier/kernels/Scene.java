package espalier.kernels;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/// One operation's surroundings in a test: a backend, memory, operands that depend on the seed alone, and the outputs
/// that are compared. Tensors are followed by a guard that must stay as it was.
final class Scene implements AutoCloseable {
    private static final float GUARD = 1234.5f;
    private static final int GUARD_SIZE = 32;

    /// What an operation wrote.
    ///
    /// @param values the numbers
    /// @param length how many terms were added to each, which the tolerance grows with
    record Output(double[] values, int length) {}

    final Ops ops;
    final Workspace memory;
    private final Arena arena = Arena.ofShared();
    private final Philox random;
    private long draws;
    private final Map<Tensor, Tensor> guards = new LinkedHashMap<>();
    final Map<String, Output> outputs = new LinkedHashMap<>();

    Scene(Ops ops, long seed) {
        this.ops = ops;
        memory = ops.newWorkspace();
        random = new Philox(seed, 0);
    }

    /// @return `[rows, cols]` of uniform numbers in [-1, 1)
    Tensor random(int rows, int cols) {
        return tensor(rows, cols, randomHost(rows * cols));
    }

    float[] randomHost(int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = 2 * random.uniformFloat(draws++) - 1;
        }
        return values;
    }

    Tensor tensor(int rows, int cols, float... values) {
        Tensor memoryOfBoth = memory.take(1, rows * cols + GUARD_SIZE);
        Tensor tensor = new Tensor(memoryOfBoth.address(), rows, cols);
        Tensor guard = new Tensor(tensor.address() + tensor.bytes(), 1, GUARD_SIZE);
        float[] guardValues = new float[GUARD_SIZE];
        Arrays.fill(guardValues, GUARD);
        ops.fromHost(guardValues, guard);
        guards.put(tensor, guard);
        ops.fromHost(values, tensor);
        return tensor;
    }

    /// @return the columns `[from, to)` of a row-major `[rows, cols]`
    Tensor columns(int rows, int cols, float[] values, int from, int to) {
        float[] some = new float[rows * (to - from)];
        for (int r = 0; r < rows; r++) {
            System.arraycopy(values, r * cols + from, some, r * (to - from), to - from);
        }
        return tensor(rows, to - from, some);
    }

    /// @return `[rows, cols]` of NaN, which an operation has to overwrite
    Tensor empty(int rows, int cols) {
        float[] values = new float[rows * cols];
        Arrays.fill(values, Float.NaN);
        return tensor(rows, cols, values);
    }

    int below(int bound) {
        return random.below(draws++, bound);
    }

    int[] belowMany(int n, int bound) {
        int[] values = new int[n];
        for (int i = 0; i < n; i++) {
            values[i] = below(bound);
        }
        return values;
    }

    /// @return a weight of numbers that its type holds exactly
    Weight weight(int rows, int cols, DType type) {
        float[] values = randomHost(rows * cols);
        MemorySegment data = arena.allocate((long) values.length * type.bytes(), 64);
        for (int i = 0; i < values.length; i++) {
            switch (type) {
                case F32 -> data.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
                case BF16 -> data.setAtIndex(
                        ValueLayout.JAVA_SHORT, i, (short) (Float.floatToRawIntBits(values[i]) >>> 16));
                case F16 -> data.setAtIndex(ValueLayout.JAVA_SHORT, i, Float.floatToFloat16(values[i]));
            }
        }
        return ops.prepare(new StoredMatrix("test." + type, type, rows, cols, data));
    }

    float[] host(Tensor tensor) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        ops.toHost(tensor, values);
        return values;
    }

    void output(String name, Tensor tensor, int length) {
        float[] values = host(tensor);
        double[] wide = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            wide[i] = values[i];
        }
        output(name, wide, length);
    }

    void output(String name, double[] values, int length) {
        outputs.put(name, new Output(values, length));
    }

    /// @throws AssertionError if something wrote beyond the end of a tensor
    void checkGuards() {
        guards.forEach((tensor, guard) -> {
            for (float value : host(guard)) {
                if (value != GUARD) {
                    throw new AssertionError("%s wrote %s beyond the end of a tensor [%d, %d]"
                            .formatted(ops.name(), value, tensor.rows(), tensor.cols()));
                }
            }
        });
    }

    @Override
    public void close() {
        memory.close();
        arena.close();
    }
}
