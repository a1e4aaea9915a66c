package espalier.engine.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunStateFileTest {
    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void nameFile() {
        file = RunStateFile.path(folder, 42);
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }

    @Test
    void everyBitComesBack() throws IOException {
        Random random = new Random(7);
        float[] any = new float[70_001];
        for (int i = 0; i < any.length; i++) {
            any[i] = Float.intBitsToFloat(random.nextInt());
        }
        int[] special = {
            0x8000_0000, 0x0000_0001, 0x807f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 0xffa1_2345
        };
        for (int i = 0; i < special.length; i++) {
            any[i] = Float.intBitsToFloat(special[i]);
        }
        Map<String, String> values =
                Map.of("", "", "loss", "NaN", "scale", "0x1.0p-1074", "text", "a\n\"b\" 😀", "step", "not this one");
        RunState state = new RunState(42, values, List.of(
                new RunState.Values("b", 1, any.length, any),
                new RunState.Values("a", 0, 5, new float[0])));
        RunStateFile.write(file, state);
        RunState read = RunStateFile.read(file);
        assertEquals(42, read.step());
        assertEquals(values, read.values());
        assertEquals(List.of("a", "b"), read.tensors().stream().map(RunState.Values::name).toList());
        assertEquals(0, read.tensors().get(0).rows());
        assertEquals(5, read.tensors().get(0).cols());
        assertEquals(1, read.tensors().get(1).rows());
        assertArrayEquals(bits(any), bits(read.tensors().get(1).data()));
    }

    @Test
    void anEmptyStateComesBack() throws IOException {
        RunStateFile.write(file, new RunState(42, Map.of(), List.of()));
        assertEquals(new RunState(42, Map.of(), List.of()), RunStateFile.read(file));
    }

    /// No bit of a checkpoint can change unseen, in the header, the padding or the data.
    @Test
    void everyFlippedBitIsSeen() throws IOException {
        RunStateFile.write(file, new RunState(42, Map.of("tokens", "1000"), List.of(
                new RunState.Values("w", 2, 2, new float[] {1, 2, 3, 4}))));
        byte[] good = Files.readAllBytes(file);
        for (int at = 0; at < good.length; at++) {
            byte[] bad = good.clone();
            bad[at] ^= (byte) (1 << at % 8);
            Files.write(file, bad);
            try {
                RunState read = RunStateFile.read(file);
                // JSON allows a tab for the blank of the padding, and little else.
                assertEquals(Map.of("tokens", "1000"), read.values(), "byte " + at);
                assertArrayEquals(new float[] {1, 2, 3, 4}, read.tensors().getFirst().data(), "byte " + at);
                assertEquals("w", read.tensors().getFirst().name());
            } catch (CheckpointException e) {
                assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
            }
        }
        byte[] bad = good.clone();
        bad[bad.length - 1] ^= 1;
        Files.write(file, bad);
        var e = assertThrows(CheckpointException.class, () -> RunStateFile.read(file));
        assertTrue(
                e.getMessage()
                        .matches(".*state-000000042.safetensors: is damaged, or not the state of a run:"
                                + " crc32c is [0-9a-f]{8}, expected [0-9a-f]{8}"),
                e.getMessage());
    }

    @Test
    void otherFilesAreRefused() throws IOException {
        SafetensorsWriter.write(file, Map.of(), List.of());
        var e = assertThrows(CheckpointException.class, () -> RunStateFile.read(file));
        assertEquals(
                file + ": is damaged, or not the state of a run: format is null, expected espalier run state 1",
                e.getMessage());
        RunStateFile.write(file, new RunState(42, Map.of(), List.of()));
        Path renamed = Files.move(file, RunStateFile.path(folder, 43));
        e = assertThrows(CheckpointException.class, () -> RunStateFile.read(renamed));
        assertTrue(e.getMessage().endsWith("step is 42, expected 43"), e.getMessage());
        SafetensorsWriter.write(
                file,
                Map.of("format", "espalier run state 1", "step", "42"),
                List.of(TensorToWrite.ofFloats("w", StoredType.BF16, new long[] {2}, new float[2])));
        e = assertThrows(CheckpointException.class, () -> RunStateFile.read(file));
        assertEquals(file + ": tensor w is BF16 [2], expected a matrix of F32", e.getMessage());
    }

    @Test
    void onlyStatesHaveAStep() {
        assertEquals(OptionalLong.of(7), RunStateFile.step(Path.of("run/state-000000007.safetensors")));
        assertEquals(OptionalLong.empty(), RunStateFile.step(Path.of("run/state-7.safetensors")));
        assertEquals(OptionalLong.empty(), RunStateFile.step(Path.of("run/.state-000000007.safetensors.1-1.tmp")));
    }
}
