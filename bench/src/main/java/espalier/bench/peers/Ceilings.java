package espalier.bench.peers;

import espalier.bindings.NativeMemory;
import espalier.kernels.vector.Parallel;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/// What the machine can do, for comparison: multiply-adds in registers, and reading memory once.
final class Ceilings implements AutoCloseable {
    private static final VectorSpecies<Float> F32 = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Integer> I32 = F32.withLanes(int.class);
    /// Chains of dependent multiply-adds: more than a machine has under way.
    private static final int CHAINS = 12;
    private static final long ADDRESS = Long.MAX_VALUE >> 1;

    private final Parallel parallel;
    private final float[] sinks;

    Ceilings(int threads) {
        parallel = new Parallel(threads);
        sinks = new float[threads * 64];
    }

    /// `2 * steps * CHAINS * lanes` floating-point operations on each thread.
    void multiplyAdds(int steps) {
        parallel.run(parallel.threads(), (task, worker) -> sinks[task * 64] = multiplyAdd(sinks[task * 64], steps));
    }

    static double flops(int steps, int threads) {
        return 2.0 * steps * CHAINS * F32.length() * threads;
    }

    private static float multiplyAdd(float x, int steps) {
        FloatVector a = FloatVector.broadcast(F32, x * 1e-3f);
        FloatVector s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a;
        FloatVector t0 = a, t1 = a, t2 = a, t3 = a, t4 = a, t5 = a;
        for (int i = 0; i < steps; i++) {
            s0 = s0.fma(a, a);
            s1 = s1.fma(a, a);
            s2 = s2.fma(a, a);
            s3 = s3.fma(a, a);
            s4 = s4.fma(a, a);
            s5 = s5.fma(a, a);
            t0 = t0.fma(a, a);
            t1 = t1.fma(a, a);
            t2 = t2.fma(a, a);
            t3 = t3.fma(a, a);
            t4 = t4.fma(a, a);
            t5 = t5.fma(a, a);
        }
        FloatVector s = s0.add(s1).add(s2.add(s3)).add(s4.add(s5));
        FloatVector t = t0.add(t1).add(t2.add(t3)).add(t4.add(t5));
        return s.add(t).lane(0);
    }

    /// Reads memory once, in blocks of 1 MiB that the threads take by turns.
    void read(long address, long bytes) {
        int blocks = (int) (bytes >> 20);
        parallel.run(blocks, (task, worker) -> sinks[worker * 64] = read(address + ((long) task << 20)));
    }

    private static int read(long from) {
        IntVector any = IntVector.zero(I32);
        long step = F32.vectorByteSize();
        long end = from + (1L << 20);
        for (long p = from; p != end; p += step) {
            any = IntVector.fromMemorySegment(I32, NativeMemory.ALL, p & ADDRESS, ByteOrder.nativeOrder()).or(any);
        }
        return IntVector.zero(I32).or(any).lane(0);
    }

    /// A parallel region with nothing in it.
    void region() {
        parallel.run(parallel.threads(), (task, worker) -> { });
    }

    @Override
    public void close() {
        parallel.close();
    }
}
