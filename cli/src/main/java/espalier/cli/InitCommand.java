package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.model.Architecture;
import espalier.engine.model.InitialWeights;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.CheckpointWriter;
import espalier.engine.weights.StoredType;
import espalier.engine.weights.TensorToWrite;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Writes a model with random weights.
@Command(
        name = "init",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Write a model with random weights: matrices normal with deviation 0.02, norms 1, biases 0.",
        footer = {
            "",
            "Example:",
            "  espalier init --config docs/shapes/tinyllama-1.1b/config.json --tokenizer M --dtype bf16 --out X",
        })
final class InitCommand extends JobCommand {
    @Option(
            names = "--config",
            required = true,
            paramLabel = "FILE",
            description = "config.json of the model to make, or a folder that has one.")
    private Path config;

    @Option(
            names = "--tokenizer",
            required = true,
            paramLabel = "FOLDER",
            description = "Its tokenizer is copied; it must have no more tokens than vocab_size.")
    private Path tokenizer;

    @Option(
            names = "--dtype",
            paramLabel = "bf16|f16|f32",
            converter = TypeConverter.class,
            defaultValue = "bf16",
            description = "Type of the weights (default: ${DEFAULT-VALUE}).")
    private StoredType type;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "42",
            description = "Seed of the random numbers (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    private Path out;

    @Option(names = "--overwrite", description = "Replace --out if it is a checkpoint folder.")
    private boolean overwrite;

    InitCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        Folders.checkOut(out, overwrite, "--config", config);
        Folders.checkOut(out, overwrite, "--tokenizer", tokenizer);
        NewModel model = NewModel.read(config, tokenizer, type);
        List<TensorShape> tensors = model.tensors();
        long parameters = tensors.stream().mapToLong(TensorShape::elements).sum();
        long bytes = parameters * type.bits() / 8;
        requireSpace(bytes);
        return Work.of(() -> write(model, tensors, parameters, bytes));
    }

    private Result write(NewModel model, List<TensorShape> tensors, long parameters, long bytes) throws IOException {
        try (ProgressMeter meter = new ProgressMeter(terminal(), "parameters")) {
            AtomicLong done = new AtomicLong();
            RandomWeights weights = new RandomWeights(
                    new InitialWeights(seed), type, count -> meter.at(done.addAndGet(count), parameters));
            List<TensorToWrite> toWrite = tensors.stream().map(weights::tensor).toList();
            CheckpointWriter.write(
                    out,
                    model.config().raw(),
                    Architecture.expectedTensors(model.config()),
                    toWrite,
                    model.tokenizerFiles(),
                    new CheckpointWriter.Options(CheckpointWriter.Options.DEFAULT.shardBytes(), overwrite));
            ObjectNode json = Json.object();
            json.put("out", out.toString());
            json.put("parameters", parameters);
            json.put("bytes", bytes);
            json.put("seconds", meter.seconds());
            return new Result(
                    json, "%s: %,d parameters, %,d bytes, %.1f s".formatted(out, parameters, bytes, meter.seconds()));
        }
    }

    /// A full disk is better found now than after gigabytes.
    private void requireSpace(long bytes) throws IOException {
        Path parent = out.toAbsolutePath().getParent();
        Folders.require(parent);
        long free = Files.getFileStore(parent).getUsableSpace();
        if (free < bytes) {
            throw new IOException("%s: %d bytes are free, the model needs %d".formatted(parent, free, bytes));
        }
    }

    static final class TypeConverter implements ITypeConverter<StoredType> {
        @Override
        public StoredType convert(String value) {
            return switch (value) {
                case "bf16" -> StoredType.BF16;
                case "f16" -> StoredType.F16;
                case "f32" -> StoredType.F32;
                default ->
                    throw new TypeConversionException("'" + value + "' is not a type; there are bf16, f16 and f32");
            };
        }
    }
}
