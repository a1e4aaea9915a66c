package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.testing.RandomModel;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PackedModelTest {
    private static final ModelShape SHAPE = Shapes.toy(64, true, LayerShape.uniform(4, 2, 16, 96));

    @ParameterizedTest
    @EnumSource
    void copiesChangeNoBit(Backends.Choice choice) {
        try (Ops ops = Backends.open(choice, 2);
                RandomModel random = new RandomModel(SHAPE, 3);
                Model model = Model.load(random, SHAPE, ops)) {
            Batch batch = Batch.of(RandomModel.ids(SHAPE, 3, 11, 5));
            float[] expected = RandomModel.logits(model, batch);
            try (PackedModel packed = PackedModel.of(model, Long.MAX_VALUE)) {
                assertArrayEquals(expected, RandomModel.logits(packed.model(), batch));
                assertTrue(packed.copies().heldBytes() >= model.packedBytes());
            }
            try (PackedModel none = PackedModel.of(model, model.packedBytes() - 1)) {
                assertEquals(0, none.copies().heldBytes());
                assertArrayEquals(expected, RandomModel.logits(none.model(), batch));
            }
            assertArrayEquals(expected, RandomModel.logits(model, batch), "closing leaves the model open");
        }
    }
}
