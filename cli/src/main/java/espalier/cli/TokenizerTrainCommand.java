package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.weights.FolderWriter;
import espalier.engine.weights.SideFile;
import espalier.eval.data.DocumentFile;
import espalier.eval.data.TrainingFormat;
import espalier.tokenizer.BpeSettings;
import espalier.tokenizer.BpeTrainer;
import espalier.tokenizer.SpecialTokens;
import espalier.tokenizer.TrainedBpe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// Learns a byte-level BPE tokenizer from texts.
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Learn a byte-level BPE tokenizer from texts and write it as a Hugging Face tokenizer folder.",
        footer = {
            "",
            "Examples:",
            "  espalier tokenizer train --data stories.txt.gz --vocab-size 4096 --out T",
            "  espalier tokenizer train --data books/*.txt --vocab-size 8192 --special \"<pad>\" --out T",
            "",
            "Data: .txt, or JSON rows (.jsonl, .json) with text, or instruction, input and output; also .gz.",
            "Lines <|endoftext|> separate documents. Special tokens spelt in the data are left out.",
        })
final class TokenizerTrainCommand extends JobCommand {
    @Option(
            names = "--data",
            required = true,
            arity = "1..*",
            paramLabel = "FILE",
            description = "What to learn from; several files may follow, their order does not matter.")
    private List<Path> data;

    @Option(
            names = "--vocab-size",
            required = true,
            paramLabel = "N",
            description = "Entries in all: special tokens, the 256 bytes, and merges.")
    private int vocabSize;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "The folder to make.")
    private Path out;

    @Option(names = "--overwrite", description = "Replace --out if it is a tokenizer folder.")
    private boolean overwrite;

    @Option(
            names = "--eos",
            paramLabel = "TOKEN",
            defaultValue = SpecialTokens.END_OF_TEXT,
            description = "The special token that ends a text (default: ${DEFAULT-VALUE}).")
    private String eos;

    @Option(
            names = "--bos",
            paramLabel = "TOKEN",
            description = "The special token that begins a text (default: that of --eos).")
    private String bos;

    @Option(
            names = "--add-bos",
            description = "Encoded texts begin with that token (default: only where a program puts it).")
    private boolean addBos;

    @Option(
            names = "--special",
            arity = "1..*",
            paramLabel = "TOKEN",
            description = "More special tokens; several may follow. The first ids are: begin, end, more.")
    private List<String> more = new ArrayList<>();

    @Option(
            names = "--digits",
            paramLabel = "individual|runs",
            converter = NumbersConverter.class,
            defaultValue = "individual",
            description = "Whether a number is cut into digits, or stays together to be merged (default: individual).")
    private BpeSettings.Numbers numbers;

    @Option(
            names = "--min-frequency",
            paramLabel = "N",
            defaultValue = "2",
            description = "How often a pair must occur to be merged (default: ${DEFAULT-VALUE}).")
    private long minFrequency;

    @Option(
            names = "--format",
            paramLabel = "text|json-lines|json-array",
            converter = TrainingOptions.FormatConverter.class,
            description = "What the data are (default: told by each file's name and content).")
    private TrainingFormat format;

    TokenizerTrainCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        long start = System.nanoTime();
        BpeSettings settings = new BpeSettings(
                vocabSize,
                minFrequency,
                new SpecialTokens(bos == null ? eos : bos, eos, more),
                numbers,
                addBos);
        for (Path file : data) {
            Folders.checkOut(out, overwrite, "--data", file);
        }
        FolderWriter.checkTarget(out, FolderWriter.Kind.TOKENIZER, overwrite);
        BpeTrainer trainer = new BpeTrainer(settings);
        read(trainer);
        TrainedBpe trained = train(trainer);
        if (trained.counts().tokens() == 0) {
            throw new IllegalArgumentException("the data hold nothing but special tokens");
        }
        return Work.of(() -> write(trained, start));
    }

    private Result write(TrainedBpe trained, long start) throws IOException {
        List<SideFile> files = trained.files().entrySet().stream()
                .map(file -> SideFile.text(file.getKey(), file.getValue()))
                .toList();
        FolderWriter.write(out, FolderWriter.Kind.TOKENIZER, overwrite, files);
        return result(trained, (System.nanoTime() - start) * 1e-9);
    }

    private void read(BpeTrainer trainer) throws IOException {
        long total = 0;
        for (Path file : data) {
            total += Files.size(file);
        }
        long all = total;
        try (ProgressMeter meter = new ProgressMeter(terminal(), "bytes")) {
            long before = 0;
            for (Path file : data) {
                long done = before;
                DocumentFile.read(
                        file, Optional.ofNullable(format), trainer::add, (read, size) -> meter.at(done + read, all));
                before += Files.size(file);
            }
        }
    }

    private TrainedBpe train(BpeTrainer trainer) {
        try (ProgressMeter meter = new ProgressMeter(terminal(), "merges")) {
            return trainer.train(meter::at);
        }
    }

    private Result result(TrainedBpe trained, double seconds) {
        TrainedBpe.Counts counts = trained.counts();
        double tokensPerByte = (double) counts.tokens() / counts.bytes();
        double charactersPerToken = (double) counts.characters() / counts.tokens();
        ObjectNode json = Json.object();
        json.put("out", out.toString());
        json.put("vocab_size", trained.entries().size());
        json.put("merges", trained.merges().size());
        json.put("texts", counts.texts());
        json.put("bytes", counts.bytes());
        json.put("characters", counts.characters());
        json.put("tokens", counts.tokens());
        json.put("tokens_per_byte", tokensPerByte);
        json.put("characters_per_token", charactersPerToken);
        json.put("seconds", seconds);
        return new Result(json, """
                %s: %,d entries, %,d merges
                %,d texts, %,d bytes, %,d tokens: %.4f tokens per byte, %.3f characters per token
                %.1f s"""
                .formatted(
                        out,
                        trained.entries().size(),
                        trained.merges().size(),
                        counts.texts(),
                        counts.bytes(),
                        counts.tokens(),
                        tokensPerByte,
                        charactersPerToken,
                        seconds));
    }

    static final class NumbersConverter implements ITypeConverter<BpeSettings.Numbers> {
        @Override
        public BpeSettings.Numbers convert(String value) {
            for (BpeSettings.Numbers numbers : BpeSettings.Numbers.values()) {
                if (numbers.optionName().equals(value)) {
                    return numbers;
                }
            }
            throw new TypeConversionException("'" + value + "' is not a way to cut; there are individual and runs");
        }
    }
}
