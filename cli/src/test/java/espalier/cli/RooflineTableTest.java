package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.kernels.DType;
import espalier.kernels.roofline.Measurement;
import espalier.kernels.roofline.Roof;
import espalier.kernels.roofline.RooflineReport;
import espalier.kernels.roofline.Work;
import java.util.List;
import org.junit.jupiter.api.Test;

class RooflineTableTest {
    private static Measurement linear(int tokens, int threads, double seconds) {
        return new Measurement(
                "linear", "q_proj, o_proj", "bf16", tokens + "x576x576", threads,
                Work.linear(tokens, 576, 576, DType.BF16), seconds, 1e-7);
    }

    private static final Measurement NORM = new Measurement(
            "rms_norm", "", "f32", "512x576", 2, Work.rmsNorm(512, 576), 1e-4, 1e-7);

    @Test
    void eachKernelHasALineWithAllItsThreads() {
        RooflineReport report = new RooflineReport(
                "vector", 512, List.of(new Roof(1, 200, 30), new Roof(2, 400, 40)),
                List.of(linear(1, 2, 2e-5), linear(512, 2, 1e-3), NORM, linear(1, 1, 3e-5), linear(512, 1, 2e-3)), 0);
        assertEquals(
                """
                ceilings           GFLOP/s          GB/s  meet at FLOP/byte
                1 thread             200.0          30.0                6.7
                2 threads            400.0          40.0               10.0

                                                                                 --- 2 threads ---           --- 1 thread ---
                kernel    type  shape        of      FLOP/byte  limit       GFLOP/s     GB/s     %     GFLOP/s     GB/s     %
                linear    bf16  1x576x576    q, o         0.99  memory         33.2     33.4    84        22.1     22.3    74
                linear    bf16  512x576x576  q, o       112.39  compute       339.7      3.0    85       169.9      1.5    85
                rms_norm  f32   512x576                   0.50  memory         11.8     23.6    59""",
                RooflineTable.render(report));
    }

    @Test
    void oneThreadHasOneGroup() {
        RooflineReport report = new RooflineReport(
                "scalar", 32, List.of(new Roof(1, 200, 30)), List.of(linear(1, 1, 3e-3)), 0);
        assertEquals(
                """
                ceilings           GFLOP/s          GB/s  meet at FLOP/byte
                1 thread             200.0          30.0                6.7

                                                                              --- 1 thread ---
                kernel  type  shape      of      FLOP/byte  limit       GFLOP/s     GB/s     %
                linear  bf16  1x576x576  q, o         0.99  memory          0.2      0.2     1""",
                RooflineTable.render(report));
    }
}
