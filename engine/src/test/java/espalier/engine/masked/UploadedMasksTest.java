package espalier.engine.masked;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.gates.MaskValues;
import espalier.engine.model.Gates;
import espalier.engine.model.HostCopy;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UploadedMasksTest {
    /// The second layer has no heads, the third no FFN.
    private static final ModelShape SHAPE = Shapes.toy(
            5,
            true,
            LayerShape.uniform(4, 2, 2, 3),
            new LayerShape(new int[0], 2, 1),
            new LayerShape(new int[] {2, 1}, 2, 0));
    private static final List<float[]> HEADS =
            List.of(new float[] {0, 1, 0.5f, 0.25f}, new float[0], new float[] {1, 1, 1});
    private static final List<float[]> FFN = List.of(new float[] {0.75f, 0, 1}, new float[] {1}, new float[0]);
    private static final float[] HIDDEN = {1, 0, 0.125f, 1, 0};

    private final Ops ops = Backends.open(Backends.Choice.SCALAR, 1);
    private final Workspace memory = ops.newWorkspace();

    @AfterEach
    void close() {
        memory.close();
        ops.close();
    }

    /// One bit for each family.
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7})
    void whatIsUploadedIsReadBack(int families) {
        MaskValues values = new MaskValues(
                (families & 1) == 0 ? List.of() : HEADS,
                (families & 2) == 0 ? List.of() : FFN,
                (families & 4) == 0 ? new float[0] : HIDDEN);
        Gates gates = UploadedMasks.upload(values, SHAPE, ops, memory);
        assertEquals(values, UploadedMasks.read(gates, ops));
        assertEquals(3, gates.heads().size());
        assertEquals((families & 1) != 0, gates.heads().stream().anyMatch(Tensor::isPresent));
        assertEquals((families & 2) != 0, gates.ffn().stream().anyMatch(Tensor::isPresent));
        assertEquals((families & 4) != 0, gates.hidden().isPresent());
        assertEquals(0, gates.skippedLayers().size() + gates.normDivisor());
    }

    /// All ones are not absent: their gradients may be wanted.
    @Test
    void everyLayerOfAFamilyIsPresent() {
        Gates gates = UploadedMasks.upload(new MaskValues(HEADS, FFN, HIDDEN), SHAPE, ops, memory);
        assertTrue(gates.heads().stream().allMatch(Tensor::isPresent), gates.toString());
        assertTrue(gates.ffn().stream().allMatch(Tensor::isPresent), gates.toString());
        assertEquals(new Tensor(gates.heads().get(2).address(), 1, 3), gates.heads().get(2));
        assertArrayEquals(new float[] {1, 1, 1}, HostCopy.of(ops, gates.heads().get(2)));
    }

    @Test
    void zerosAreLikeTheGates() {
        long mark = memory.mark();
        ops.fill(memory.take(1, 1000), 7);
        memory.release(mark);
        Gates gates = UploadedMasks.upload(new MaskValues(HEADS, List.of(), HIDDEN), SHAPE, ops, memory);
        Gates zeros = UploadedMasks.zerosLike(gates, memory);
        MaskValues read = UploadedMasks.read(zeros, ops);
        assertEquals(new MaskValues(
                List.of(new float[4], new float[0], new float[3]), List.of(), new float[5]), read);
        ops.fill(zeros.hidden(), 2);
        assertArrayEquals(HIDDEN, HostCopy.of(ops, gates.hidden()));
    }

    @Test
    void aMaskOfAnotherModelIsRefused() {
        MaskValues values = new MaskValues(HEADS, List.of(), new float[4]);
        var e = assertThrows(
                IllegalArgumentException.class, () -> UploadedMasks.upload(values, SHAPE, ops, memory));
        assertEquals("hidden mask has 4 values, expected 5", e.getMessage());
    }

    @Test
    void halfAFamilyIsRefused() {
        Gates gates = UploadedMasks.upload(new MaskValues(HEADS, FFN, HIDDEN), SHAPE, ops, memory);
        Gates half = new Gates(
                List.of(gates.heads().get(0), Tensor.NONE, gates.heads().get(2)),
                gates.ffn(), gates.hidden(), gates.skippedLayers(), 0);
        var e = assertThrows(IllegalArgumentException.class, () -> UploadedMasks.read(half, ops));
        assertEquals("gates of heads are there in 2 of 3 layers, expected all or none", e.getMessage());
    }
}
