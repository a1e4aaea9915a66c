package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.cli.report.RooflinePlot;
import espalier.engine.model.MemoryPlan;
import espalier.engine.weights.LayerShape;
import espalier.engine.weights.PretrainedConfig;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.roofline.Measurement;
import espalier.kernels.roofline.Roof;
import espalier.kernels.roofline.Roofline;
import espalier.kernels.roofline.RooflineReport;
import espalier.kernels.roofline.RooflineSettings;
import espalier.kernels.roofline.RooflineShape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Measures the machine and how much of it the kernels use.
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = "Measure this machine's peak and bandwidth, and what share of them the kernels reach.",
        footer = {
            "",
            "Examples:",
            "  espalier bench --plot roofline.svg",
            "  espalier bench --model docs/shapes/llama-7b --threads 1 --json",
            "",
            "Takes about a minute on an idle machine. Peak is that of F32 multiply-adds, bandwidth that of",
            "reading memory; a kernel's ceiling is the lower of peak and FLOP/byte times bandwidth. Every",
            "answer is compared with the scalar backend's before its time counts.",
        })
final class BenchCommand extends JobCommand {
    private static final String BUILT_IN = "SmolLM2-135M";
    /// A change of a ceiling during the run that the reader should know of.
    private static final double DISTURBED = 0.15;

    /// How many times the largest cache is memory that no cache holds.
    private static final int COLD_CACHES = 8;
    private static final int COLD_CACHES_QUICK = 4;
    private static final long LEAST_COLD_BYTES = 1L << 27;
    private static final long MOST_COLD_BYTES = 1L << 30;

    @Option(
            names = "--model",
            paramLabel = "FOLDER",
            description = "Whose shapes are run (default: those of SmolLM2-135M); only its config.json is read.")
    private Path model;

    @Option(
            names = "--quick",
            description = "Fewer kernels and shorter times: a few seconds; scalar kernels are always run so.")
    private boolean quick;

    @Mixin
    private PlotOption plot;

    @Mixin
    private ModelOptions options;

    BenchCommand(Terminal terminal) {
        super(terminal);
    }

    @Override
    Result run() throws Exception {
        plot.check();
        List<String> notices = new ArrayList<>();
        RooflineShape shape = model == null ? RooflineShape.SMOLLM2_135M : shape(notices);
        Machine machine = Machine.ofProcess();
        // Opened only to be named in the log, as other commands do; the measurement opens its own.
        int threads;
        Backends.Choice backend;
        try (Ops ops = options.open()) {
            threads = ops.threads();
            backend = Backends.Choice.valueOf(ops.name().toUpperCase(Locale.ROOT));
        }
        RooflineSettings settings = switch (backend) {
            case SCALAR -> RooflineSettings.plainLoops(coldBytes(machine, COLD_CACHES_QUICK));
            case VECTOR -> quick
                    ? RooflineSettings.quick(coldBytes(machine, COLD_CACHES_QUICK))
                    : RooflineSettings.full(coldBytes(machine, COLD_CACHES));
        };
        new MemoryPlan(Map.of("operands", Roofline.memoryBytes(shape, settings))).require(RunMemory.available());
        return Work.of(() -> measure(backend, threads, shape, settings, machine, notices));
    }

    private Result measure(
            Backends.Choice backend,
            int threads,
            RooflineShape shape,
            RooflineSettings settings,
            Machine machine,
            List<String> notices)
            throws IOException {
        RooflineReport report;
        double seconds;
        try (ProgressMeter meter = new ProgressMeter(terminal(), "runs")) {
            report = Roofline.measure(backend, threads, shape, settings, meter::at);
            seconds = meter.seconds();
        }
        if (report.drift() > DISTURBED) {
            notices.add("a ceiling changed by %.0f%% during the run: other work disturbed the machine"
                    .formatted(100 * report.drift()));
        }
        String title = model == null ? BUILT_IN : String.valueOf(model.toAbsolutePath().normalize().getFileName());
        String about = "%s, %d processors; Java %s; %s kernels, %d-bit lanes".formatted(
                machine.processor(), machine.processors(), System.getProperty("java.version"), report.backend(),
                report.laneBits());
        plot.write(() -> RooflinePlot.render("Roofline: kernels at the shapes of " + title, about, report));
        StringBuilder text = new StringBuilder(
                "shapes of %s%n%s%n%n%s".formatted(title, about, RooflineTable.render(report)));
        notices.forEach(notice -> text.append("%nnotice: %s".formatted(notice)));
        return new Result(describe(machine, report, notices, seconds), text.toString());
    }

    private static long coldBytes(Machine machine, int caches) {
        return Math.clamp(caches * machine.cacheBytes(), LEAST_COLD_BYTES, MOST_COLD_BYTES);
    }

    /// The widest layer of the model.
    private RooflineShape shape(List<String> notices) throws IOException {
        PretrainedConfig config = PretrainedConfig.read(Folders.require(model).resolve("config.json"));
        List<LayerShape> layers = config.layers();
        LayerShape widest = layers.stream()
                .max(Comparator.comparingLong(of -> 2L * of.queryWidth() + 2L * of.kvWidth() + 3L * of.ffn()))
                .orElseThrow();
        if (layers.stream().anyMatch(layer -> !layer.equals(widest))) {
            notices.add("layers differ: layer %d is measured, the widest".formatted(layers.indexOf(widest)));
        }
        return new RooflineShape(
                config.hiddenSize(), widest.queriesPerKv(), widest.headDim(), widest.ffn(), config.vocabSize(),
                config.maxPositions());
    }

    private ObjectNode describe(Machine machine, RooflineReport report, List<String> notices, double seconds) {
        ObjectNode json = Json.object();
        json.put("model", model == null ? BUILT_IN : model.toString());
        json.put("peak_gflops", report.roof().peakGflops());
        json.put("bandwidth_gbs", report.roof().bandwidthGbs());
        ArrayNode ceilings = json.putArray("ceilings");
        for (Roof roof : report.roofs()) {
            ceilings.addObject()
                    .put("threads", roof.threads())
                    .put("peak_gflops", roof.peakGflops())
                    .put("bandwidth_gbs", roof.bandwidthGbs());
        }
        json.put("drift", report.drift());
        ArrayNode rows = json.putArray("rows");
        report.rows().forEach(row -> describe(rows.addObject(), report, row));
        json.put("processor", machine.processor());
        json.put("processors", machine.processors());
        json.put("cache_bytes", machine.cacheBytes());
        json.put("jdk", System.getProperty("java.version"));
        ArrayNode lines = json.putArray("notices");
        notices.forEach(lines::add);
        json.put("seconds", seconds);
        json.put("backend", report.backend());
        json.put("lane_bits", report.laneBits());
        json.put("threads", report.roof().threads());
        return json;
    }

    private static void describe(ObjectNode json, RooflineReport report, Measurement row) {
        boolean memoryBound = report.roof(row.threads()).isMemoryBound(row.work());
        json.put("name", row.kernel());
        json.put("weight", row.weight());
        json.put("dtype", row.type());
        json.put("shape", row.shape());
        json.put("threads", row.threads());
        json.put("gflops", row.gflops());
        json.put("gbs", row.gbs());
        json.put("percent_of_ceiling", report.percent(row));
        json.put("bound", memoryBound ? "memory" : "compute");
        json.put("flops", row.work().flops());
        json.put("bytes", row.work().bytes());
        json.put("seconds", row.seconds());
        json.put("relative_error", row.relativeError());
    }
}
