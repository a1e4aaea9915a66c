package espalier.engine.train;

import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/// `state-<step>.safetensors`: a [RunState], F32 tensors and, as metadata, the step, the values and a checksum of all.
final class RunStateFile {
    private static final Pattern NAME = Pattern.compile("state-(\\d{9})\\.safetensors");
    private static final long MAX_STEP = 999_999_999;
    private static final String FORMAT = "espalier run state 1";
    private static final String VALUE = "value.";
    private static final ValueLayout.OfFloat LE_FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int FLOATS_PER_PIECE = 1 << 16;

    private RunStateFile() {}

    static Path path(Path run, long step) {
        if (step < 0 || step > MAX_STEP) {
            throw new IllegalArgumentException("step must be in 0 .. " + MAX_STEP + ", got " + step);
        }
        return run.resolve("state-%09d.safetensors".formatted(step));
    }

    /// @return the step in the name of a state file; empty for another file
    static OptionalLong step(Path file) {
        Matcher name = NAME.matcher(file.getFileName().toString());
        return name.matches() ? OptionalLong.of(Long.parseLong(name.group(1))) : OptionalLong.empty();
    }

    static void write(Path file, RunState state) throws IOException {
        Map<String, String> metadata = new TreeMap<>();
        state.values().forEach((key, value) -> metadata.put(VALUE + key, value));
        metadata.put("format", FORMAT);
        metadata.put("step", Long.toString(state.step()));
        metadata.put("crc32c", checksum(state));
        List<TensorToWrite> tensors = new ArrayList<>();
        for (RunState.Values values : state.tensors()) {
            tensors.add(TensorToWrite.ofFloats(
                    values.name(), StoredType.F32, new long[] {values.rows(), values.cols()}, values.data()));
        }
        SafetensorsWriter.write(file, metadata, tensors);
    }

    /// @throws CheckpointException if the file is not the state that its name says, bit for bit
    static RunState read(Path file) throws IOException {
        try (SafetensorsFile open = SafetensorsFile.open(file)) {
            Map<String, String> metadata = open.metadata();
            requireEntry(file, "format", FORMAT, metadata.get("format"));
            long step = step(file).orElseThrow();
            requireEntry(file, "step", Long.toString(step), metadata.get("step"));
            Map<String, String> values = new TreeMap<>();
            metadata.forEach((key, value) -> {
                if (key.startsWith(VALUE)) {
                    values.put(key.substring(VALUE.length()), value);
                }
            });
            List<RunState.Values> tensors = new ArrayList<>();
            for (TensorInfo info : open.tensors()) {
                tensors.add(values(open.tensor(info.name())));
            }
            RunState state = new RunState(step, values, tensors);
            requireEntry(file, "crc32c", checksum(state), metadata.get("crc32c"));
            return state;
        }
    }

    private static void requireEntry(Path file, String key, String expected, String actual) {
        if (!expected.equals(actual)) {
            throw new CheckpointException("%s: is damaged, or not the state of a run: %s is %s, expected %s"
                    .formatted(file, key, actual, expected));
        }
    }

    private static RunState.Values values(StoredTensor tensor) {
        boolean fits = tensor.shape().length == 2 && tensor.elements() <= Integer.MAX_VALUE - 8;
        if (tensor.type() != StoredType.F32 || !fits) {
            throw new CheckpointException("%s: tensor %s is %s %s, expected a matrix of F32".formatted(
                    tensor.file(), tensor.name(), tensor.type(), Arrays.toString(tensor.shape())));
        }
        // Copied as bits: a conversion would make a signalling NaN a quiet one.
        float[] data = new float[(int) tensor.elements()];
        SafetensorsFile.guarded(tensor.file(), () -> {
            MemorySegment.copy(tensor.data(), LE_FLOAT, 0, data, 0, data.length);
            return data;
        });
        return new RunState.Values(tensor.name(), (int) tensor.rows(), (int) tensor.cols(), data);
    }

    private static String checksum(RunState state) {
        CRC32C crc = new CRC32C();
        update(crc, Long.toString(state.step()));
        new TreeMap<>(state.values()).forEach((key, value) -> {
            update(crc, key);
            update(crc, value);
        });
        ByteBuffer piece = ByteBuffer.allocate(FLOATS_PER_PIECE * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        List<RunState.Values> ordered = state.tensors().stream()
                .sorted(Comparator.comparing(RunState.Values::name))
                .toList();
        for (RunState.Values values : ordered) {
            update(crc, values.name() + " " + values.rows() + " " + values.cols());
            for (int at = 0; at < values.data().length; at += FLOATS_PER_PIECE) {
                int count = Math.min(FLOATS_PER_PIECE, values.data().length - at);
                piece.clear().asFloatBuffer().put(values.data(), at, count);
                crc.update(piece.limit(count * Float.BYTES));
            }
        }
        return "%08x".formatted(crc.getValue());
    }

    private static void update(CRC32C crc, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        crc.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).flip());
        crc.update(bytes);
    }
}
