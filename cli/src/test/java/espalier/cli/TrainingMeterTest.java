package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.train.TrainingWatch;
import espalier.engine.weights.GracefulStop;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class TrainingMeterTest {
    private static String lastStep(double validation, double learningRate, long skipped, String beside) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream err = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        try (GracefulStop stop = GracefulStop.register(Duration.ofSeconds(1));
                TrainingMeter meter = new TrainingMeter(new Terminal(err, err, false), stop)) {
            meter.step(new TrainingWatch.Step(7, 7, 2.25, validation, learningRate, 0.5, 900, 12, skipped, beside));
        }
        return bytes.toString(StandardCharsets.UTF_8).strip();
    }

    @Test
    void theLastStepIsAlwaysShown() {
        assertEquals(
                "step 7 of 7: loss 2.2500, lr 0.000100, gradient 0.500, 900 tokens/s, 0:12 left",
                lastStep(Double.NaN, 1e-4, 0, ""));
    }

    @Test
    void whatIsTrainedBesideTheWeightsComesLast() {
        assertEquals(
                "step 7 of 7: loss 2.2500, validation 2.5000, lr 0.000100, gradient 0.500, 900 tokens/s, 0:12 left,"
                        + " 2 skipped, sparsity 0.118 of 0.150, λ -1.2 0.4",
                lastStep(2.5, 1e-4, 2, "sparsity 0.118 of 0.150, λ -1.2 0.4"));
    }

    @Test
    void whereNothingHasALearningRateNoneIsShown() {
        assertEquals(
                "step 7 of 7: loss 2.2500, gradient 0.500, 900 tokens/s, 0:12 left, sparsity 0.118 of 0.150",
                lastStep(Double.NaN, Double.NaN, 0, "sparsity 0.118 of 0.150"));
    }
}
