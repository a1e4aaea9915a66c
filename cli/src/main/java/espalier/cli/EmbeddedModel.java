package espalier.cli;

import espalier.engine.weights.DurableFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// The model that comes with the program, and the texts to try methods on, unpacked: a model's files are mapped, which
/// those in a jar cannot be.
///
/// @param folder the Hugging Face folder
/// @param recovery text to calibrate and to train on
/// @param heldAside text to measure on, none of which is in the other
record EmbeddedModel(Path folder, Path recovery, Path heldAside) {
    private static final String RESOURCES = "demo";
    private static final String MODEL = "model";
    private static final String RECOVERY = "recovery.txt";
    private static final String HELD_ASIDE = "held-aside.txt";
    private static final List<String> MODEL_FILES =
            List.of("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors");

    /// @param target an existing folder
    /// @return the files, in it
    /// @throws IllegalStateException if this build has no such model
    /// @throws IOException naming the file that cannot be written
    static EmbeddedModel unpack(Path target) throws IOException {
        for (String name : names().toList()) {
            Path file = target.resolve(name);
            try (InputStream in = EmbeddedModel.class.getResourceAsStream(resource(name))) {
                if (in == null) {
                    throw new IllegalStateException("this build has no embedded model: it lacks " + name);
                }
                Files.createDirectories(file.getParent());
                Files.copy(in, file);
            } catch (IOException e) {
                throw DurableFiles.cannotWrite(file, e);
            }
        }
        return new EmbeddedModel(target.resolve(MODEL), target.resolve(RECOVERY), target.resolve(HELD_ASIDE));
    }

    private static Stream<String> names() {
        return Stream.concat(
                MODEL_FILES.stream().map(name -> MODEL + "/" + name), Stream.of(RECOVERY, HELD_ASIDE));
    }

    private static String resource(String name) {
        return RESOURCES + "/" + name;
    }
}
