package espalier.engine.train;

import espalier.engine.weights.CheckpointException;
import espalier.engine.weights.SafetensorsFile;
import espalier.engine.weights.SafetensorsWriter;
import espalier.engine.weights.StoredTensor;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorInfo;
import espalier.engine.weights.TensorToWrite;
import espalier.engine.weights.ValuesChecksum;
import java.io.IOException;
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

/// `state-<step>.safetensors`: a [RunState], F32 tensors and, as metadata, the step, the values and a checksum of all.
final class RunStateFile {
    private static final Pattern NAME = Pattern.compile("state-(\\d{9})\\.safetensors");
    private static final long MAX_STEP = 999_999_999;
    private static final String FORMAT = "espalier run state 1";
    private static final String VALUE = "value.";

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
                    values.name(), StoredType.F32, shape(values), values.data()));
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
        return new RunState.Values(tensor.name(), (int) tensor.rows(), (int) tensor.cols(), tensor.toFloats());
    }

    private static String checksum(RunState state) {
        ValuesChecksum checksum = new ValuesChecksum();
        checksum.add(Long.toString(state.step()));
        new TreeMap<>(state.values()).forEach((key, value) -> {
            checksum.add(key);
            checksum.add(value);
        });
        state.tensors().stream()
                .sorted(Comparator.comparing(RunState.Values::name))
                .forEach(values -> checksum.add(values.name(), shape(values), values.data()));
        return checksum.text();
    }

    private static long[] shape(RunState.Values values) {
        return new long[] {values.rows(), values.cols()};
    }
}
