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
    private static final double CEILING_ROUND = 0.2;
    /// Kernels between two measurements of the ceilings.
    private static final int CEILING_EVERY = 12;

    private final RooflineSettings settings;
    private final RooflineWatch watch;
    private final MemorySegment pool;
    private final Ceilings ceilings;
    private final Stopwatch stopwatch;
    private final int threads;
    private final int total;

    /// Every measurement of a ceiling, by threads.
    private final TreeMap<Integer, List<Roof>> roofs = new TreeMap<>();
    private final List<Measurement> rows = new ArrayList<>();
    private int done;

    private Roofline(RooflineSettings settings, RooflineWatch watch, MemorySegment pool, int threads, int total) {
        this.settings = settings;
        this.watch = watch;
        this.pool = pool;
        this.threads = threads;
        this.total = total;
        ceilings = new Ceilings(pool.asSlice(0, settings.coldBytes()), settings.seconds() * CEILING_ROUND);
        stopwatch = new Stopwatch(settings.seconds());
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
        try (Ops ops = Backends.open(backend, threads); Arena arena = Arena.ofShared()) {
            boolean alone = ops.threads() > 1 && settings.oneThread();
            List<Kernel> kernels = KernelList.of(shape, settings, settings.types());
            List<Kernel> kernelsOfOne =
                    alone ? KernelList.of(shape, settings, settings.types().subList(0, 1)) : List.of();
            Roofline roofline = new Roofline(
                    settings, watch, Operands.newPool(arena, poolBytes(shape, settings)), ops.threads(),
                    2 * kernels.size() + kernelsOfOne.size());
            roofline.measureCeilings();
            roofline.warmUp(ops, kernels);
            roofline.time(ops, kernels);
            if (alone) {
                try (Ops one = Backends.open(backend, 1)) {
                    roofline.time(one, kernelsOfOne);
                }
            }
            roofline.measureCeilings();
            return new RooflineReport(
                    ops.name(), ops.laneBits(), roofline.best(), roofline.rows, roofline.drift());
        }
    }

    /// @param shape widths
    /// @param settings how much is measured
    /// @return bytes that [#measure] takes outside the heap, at most
    public static long memoryBytes(RooflineShape shape, RooflineSettings settings) {
        double largest = 0;
        for (Kernel kernel : KernelList.of(shape, settings, settings.types())) {
            largest = Math.max(largest, kernel.work().bytes());
        }
        return poolBytes(shape, settings) + settings.coldBytes() + (long) largest;
    }

    private static long poolBytes(RooflineShape shape, RooflineSettings settings) {
        long bytes = settings.coldBytes();
        int widest = settings.types().stream().mapToInt(DType::bytes).max().orElseThrow();
        for (Projection projection : shape.projections()) {
            bytes = Math.max(bytes, (long) projection.inputs() * projection.outputs() * widest);
        }
        return bytes;
    }

    private void measureCeilings() {
        for (int count : threads == 1 ? new int[] {1} : new int[] {1, threads}) {
            roofs.computeIfAbsent(count, _ -> new ArrayList<>()).add(ceilings.measure(count));
        }
    }

    /// What fewer threads reach, more could reach too: the others would only have to rest.
    private List<Roof> best() {
        List<Roof> best = new ArrayList<>();
        for (List<Roof> of : roofs.values()) {
            Roof own = of.stream().reduce(Roof::best).orElseThrow();
            Roof fewer = best.isEmpty() ? own : best.getLast();
            best.add(own.best(new Roof(own.threads(), fewer.peakGflops(), fewer.bandwidthGbs())));
        }
        return best;
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

    private void warmUp(Ops ops, List<Kernel> kernels) {
        try (Operands memory = new Operands(ops, pool, settings.coldBytes())) {
            long mark = memory.mark();
            for (Kernel kernel : kernels) {
                stopwatch.warmUp(kernel.setup().open(memory));
                memory.release(mark);
                watch.at(++done, total);
            }
        }
    }

    private void time(Ops ops, List<Kernel> kernels) {
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                Operands reference = new Operands(scalar, pool, settings.coldBytes());
                Operands memory = new Operands(ops, pool, settings.coldBytes())) {
            long mark = memory.mark();
            long referenceMark = reference.mark();
            for (Kernel kernel : kernels) {
                Kernel.Call call = kernel.setup().open(memory);
                call.run().accept(0);
                double error = require(kernel, ops.name(), call.error().applyAsDouble(reference));
                rows.add(new Measurement(
                        kernel.name(), kernel.weight(), kernel.type(), kernel.shape(), ops.threads(), kernel.work(),
                        stopwatch.seconds(call), error));
                memory.release(mark);
                reference.release(referenceMark);
                watch.at(++done, total);
                if (rows.size() % CEILING_EVERY == 0) {
                    measureCeilings();
                }
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
}
