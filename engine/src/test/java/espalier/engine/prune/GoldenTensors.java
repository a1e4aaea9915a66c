package espalier.engine.prune;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Reads F32 and I32 tensors of a small safetensors file.
final class GoldenTensors {
    private final JsonNode header;
    private final ByteBuffer data;

    GoldenTensors(Path file) {
        try {
            ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            int length = (int) all.getLong(0);
            byte[] text = new byte[length];
            all.get(8, text);
            header = JsonMapper.builder().build().readTree(new String(text, StandardCharsets.UTF_8));
            data = all.slice(8 + length, all.capacity() - 8 - length).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean has(String name) {
        return header.has(name);
    }

    double[] floats(String name) {
        ByteBuffer bytes = bytes(name, "F32");
        double[] values = new double[bytes.remaining() / 4];
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes.getFloat(4 * i);
        }
        return values;
    }

    int[] ints(String name) {
        ByteBuffer bytes = bytes(name, "I32");
        int[] values = new int[bytes.remaining() / 4];
        bytes.asIntBuffer().get(values);
        return values;
    }

    private ByteBuffer bytes(String name, String type) {
        JsonNode tensor = header.required(name);
        if (!tensor.required("dtype").textValue().equals(type)) {
            throw new IllegalArgumentException(name + " is " + tensor.required("dtype") + ", expected " + type);
        }
        int from = tensor.required("data_offsets").required(0).intValue();
        int to = tensor.required("data_offsets").required(1).intValue();
        return data.slice(from, to - from).order(ByteOrder.LITTLE_ENDIAN);
    }
}
