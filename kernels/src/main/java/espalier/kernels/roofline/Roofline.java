package espalier.kernels.roofline;

import espalier.kernels.Backends;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.roofline.RooflineShape.Projection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/// Measures what the machine can do and what share of it each kernel reaches at a model's shapes.
///
/// Ceilings are measured before, between and after the kernels, and the best counts: a shared machine is never quiet
/// for long. All kernels are run before the first is timed, since compiling goes on in the background for seconds, and
/// the answer of each is compared with the scalar backend's. The weights of a product change from call to call, and so
/// do the operands of the kernels that memory limits, so that they come from memory and not from a cache, as they do
/// when a whole model runs.
public final class Roofline {
    /// Sums of thousands of terms in F32, in another order.
    private static final double MOST_ERROR = 1e-4;
    /// A round of a ceiling, as a share of the time of a kernel.
    private static final double CEILING_ROUND = 0.5;

    private final Backends.Choice backend;
    private final RooflineSettings settings;
    private final RooflineShape shape;

    private final TreeMap<Integer, List<Roof>> roofs = new TreeMap<>();
    private final List<Measurement> rows = new ArrayList<>();
    private int done;

    private Roofline(Backends.Choice backend, RooflineShape shape, RooflineSettings settings) {
        this.backend = backend;
        this.shape = shape;
        this.settings = settings;
    }

    /// Runs everything. Needs memory for the cold bytes or the largest weight in F32, whichever is more, and for the
    /// largest set of operands.
    ///
    /// @param backend whose kernels are measured; the ceilings need the module `jdk.incubator.vector` in any case
    /// @param threads of the kernels; ceilings are measured at these and at one
    /// @param shape widths
    /// @param settings how much is measured
    /// @param watch is told what is done
    /// @return the result
    /// @throws IllegalStateException if the backend cannot be had
    /// @throws ArithmeticException if a kernel's answer is wrong, naming it
    public static RooflineReport measure(
            Backends.Choice backend,
            int threads,
            RooflineShape shape,
            RooflineSettings settings,
            RooflineWatch watch) {
        return new Roofline(backend, shape, settings).run(threads, watch);
    }

    private RooflineReport run(int wanted, RooflineWatch watch) {
        try (Ops ops = Backends.open(backend, wanted); Arena arena = Arena.ofShared()) {
            int threads = ops.threads();
            MemorySegment pool = Operands.newPool(arena, poolBytes());
            Ceilings ceilings = new Ceilings(
                    pool.asSlice(0, settings.coldBytes()), threads, settings.seconds() * CEILING_ROUND);
            boolean alone = threads > 1 && settings.oneThread();
            List<Kernel> kernels = kernels(shape, settings, settings.types());
            List<Kernel> kernelsOfOne = alone ? kernels(shape, settings, settings.types().subList(0, 1)) : List.of();
            int total = 2 * (kernels.size() + kernelsOfOne.size());
            roofs(ceilings, threads);
            time(ops, kernels, pool, () -> watch.at(++done, total));
            roofs(ceilings, threads);
            if (alone) {
                try (Ops one = Backends.open(backend, 1)) {
                    time(one, kernelsOfOne, pool, () -> watch.at(++done, total));
                }
                roofs(ceilings, threads);
            }
            return new RooflineReport(ops.name(), ops.laneBits(), best(), rows, drift());
        }
    }

    private long poolBytes() {
        long bytes = settings.coldBytes();
        int widest = settings.types().stream().mapToInt(DType::bytes).max().orElseThrow();
        for (Projection projection : shape.projections()) {
            bytes = Math.max(bytes, (long) projection.inputs() * projection.outputs() * widest);
        }
        return bytes;
    }

    private void roofs(Ceilings ceilings, int threads) {
        for (int count : threads == 1 ? new int[] {1} : new int[] {1, threads}) {
            roofs.computeIfAbsent(count, _ -> new ArrayList<>()).add(ceilings.measure(count));
        }
    }

    private List<Roof> best() {
        return roofs.values().stream().map(of -> of.stream().reduce(Roof::best).orElseThrow()).toList();
    }

    private double drift() {
        double drift = 0;
        for (List<Roof> of : roofs.values()) {
            Roof best = of.stream().reduce(Roof::best).orElseThrow();
            for (Roof roof : of) {
                drift = Math.max(drift, 1 - roof.peakGflops() / best.peakGflops());
                drift = Math.max(drift, 1 - roof.bandwidthGbs() / best.bandwidthGbs());
            }
        }
        return drift;
    }

    private void time(Ops ops, List<Kernel> kernels, MemorySegment pool, Runnable finished) {
        Stopwatch stopwatch = new Stopwatch(settings.seconds());
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                Operands reference = new Operands(scalar, pool, settings.coldBytes());
                Operands memory = new Operands(ops, pool, settings.coldBytes())) {
            long mark = memory.mark();
            long referenceMark = reference.mark();
            List<Double> errors = new ArrayList<>();
            for (Kernel kernel : kernels) {
                Kernel.Call call = kernel.setup().open(memory);
                call.run().accept(0);
                errors.add(require(kernel, ops.name(), call.error().applyAsDouble(reference)));
                stopwatch.warmUp(call);
                memory.release(mark);
                reference.release(referenceMark);
                finished.run();
            }
            for (int i = 0; i < kernels.size(); i++) {
                Kernel kernel = kernels.get(i);
                double seconds = stopwatch.seconds(kernel.setup().open(memory));
                rows.add(new Measurement(
                        kernel.name(), kernel.weight(), kernel.type(), kernel.shape(), ops.threads(), kernel.work(),
                        seconds, errors.get(i)));
                memory.release(mark);
                finished.run();
            }
        }
    }

    /// @return the error, if it is small
    static double require(Kernel kernel, String backend, double error) {
        if (!(error <= MOST_ERROR)) {
            throw new ArithmeticException(
                    "%s kernel %s differs from the scalar backend by %.3g of its largest value, expected at most %.3g"
                            .formatted(backend, kernel, error, MOST_ERROR));
        }
        return error;
    }

    /// What is measured, in order.
    ///
    /// @param types of the weights
    /// @return kernels with at least one element
    static List<Kernel> kernels(RooflineShape shape, RooflineSettings settings, List<DType> types) {
        List<Kernel> kernels = new ArrayList<>();
        int sequence = Math.min(settings.sequence(), shape.context());
        List<Integer> tokens = settings.tokens().stream()
                .map(rows -> Math.min(rows, shape.context()))
                .distinct()
                .toList();
        for (DType type : types) {
            for (int rows : tokens) {
                for (Projection projection : measured(shape, settings, rows)) {
                    kernels.add(MatrixKernels.linear(projection, rows, type));
                }
            }
        }
        for (Projection projection : measured(shape, settings, sequence)) {
            kernels.add(MatrixKernels.linearBackward(projection, sequence, types.getFirst()));
        }
        for (Projection projection : measured(shape, settings, sequence)) {
            kernels.add(MatrixKernels.weightGradient(projection, sequence));
        }
        if (shape.heads() > 0) {
            AttentionKernels attention = new AttentionKernels(shape, sequence);
            kernels.add(attention.forward());
            kernels.add(attention.backward());
        }
        kernels.add(RowKernels.rmsNorm(sequence, shape.hidden()));
        kernels.add(RowKernels.rmsNormBackward(sequence, shape.hidden()));
        if (shape.ffn() > 0) {
            kernels.add(RowKernels.swiglu(sequence, shape.ffn()));
            kernels.add(RowKernels.swigluBackward(sequence, shape.ffn()));
        }
        kernels.add(RowKernels.crossEntropy(sequence, shape.vocab()));
        kernels.add(RowKernels.adamW(shape.vocab(), shape.hidden()));
        return kernels;
    }

    private static List<Projection> measured(RooflineShape shape, RooflineSettings settings, int tokens) {
        return shape.projections().stream()
                .filter(of -> tokens == 1 || settings.wholeHead() || !of.names().contains("lm_head"))
                .toList();
    }
}
