package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LearningRateTest {
    /// Values of transformers 5.24.0, `get_scheduler(name, optimizer, num_warmup_steps=4, num_training_steps=20)` with
    /// a rate of 1e-4, printed with repr.
    @ParameterizedTest
    @CsvSource({
        "LINEAR, 0, 0.0", "LINEAR, 1, 2.5e-05", "LINEAR, 4, 1e-04", "LINEAR, 5, 9.375e-05", "LINEAR, 19, 6.25e-06",
        "LINEAR, 20, 0.0", "LINEAR, 25, 0.0",
        "COSINE, 0, 0.0", "COSINE, 3, 7.5e-05", "COSINE, 4, 1e-04", "COSINE, 8, 8.535533905932738e-05",
        "COSINE, 12, 5e-05", "COSINE, 19, 9.607359798384786e-07", "COSINE, 20, 0.0",
        "CONSTANT, 0, 0.0", "CONSTANT, 3, 7.5e-05", "CONSTANT, 4, 1e-04", "CONSTANT, 19, 1e-04"
    })
    void followsTransformers(LearningRate.Shape shape, long step, double expected) {
        assertEquals(expected, new LearningRate(1e-4, shape, 4, 20).at(step), 1e-19);
    }

    @Test
    void startsAtThePeakWithoutWarmup() {
        assertEquals(3e-4, new LearningRate(3e-4, LearningRate.Shape.LINEAR, 0, 10).at(0));
    }

    @Test
    void refusesWhatIsNoRate() {
        assertEquals(
                "learning rate is NaN, expected a number that is not negative",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> new LearningRate(Double.NaN, LearningRate.Shape.LINEAR, 0, 10))
                        .getMessage());
    }
}
