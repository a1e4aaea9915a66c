package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.MaskReport;
import espalier.cli.report.Report;
import espalier.cli.report.Run;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.PeftAdapter;
import espalier.engine.masked.MaskPruning;
import espalier.engine.masked.MaskTraining;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunFolder;
import espalier.engine.train.RunState;
import espalier.engine.weights.ModelPrompt;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A training of masks, with all that it needs: by itself, or in the base of a recovery.
///
/// @param terminal where progress is shown
/// @param model the folder that is pruned
/// @param out the folder that the command makes
/// @param shape of that model
/// @param rows how rows became text
/// @param data what is learnt from
/// @param maskedSteps steps with masks
/// @param request what to do
record MaskRun(
        Terminal terminal,
        Path model,
        Path out,
        ModelShape shape,
        AdapterOptions.Rows rows,
        PreparedData data,
        long maskedSteps,
        MaskPruning.Request request)
        implements Recovery.SmallerModel {
    @Override
    public RunConfig origin(ModelFolder dense) {
        return MaskPruning.configuration(dense, request, data.described());
    }

    @Override
    public ObjectNode in(RunFolder run, RunConfig origin, Ops ops) throws IOException, JobCommand.Stopped {
        Optional<ObjectNode> made = run.baseOfRun(origin, this::check);
        if (made.isPresent()) {
            return made.get();
        }
        ObjectNode json;
        try (RunFolder nested = run.claimBase(); ModelFolder dense = ModelFolder.open(model, ops)) {
            ObjectNode trained = train(nested, dense, origin);
            json = Work.of(() -> report(nested, trained, List.of()));
        }
        run.baseMade(json);
        return json;
    }

    /// @return the keys that are reported
    private ObjectNode report(RunFolder run, ObjectNode json, List<ObjectNode> stages) throws IOException {
        TrainingRun frame = new TrainingRun(terminal, run, out);
        frame.report(MaskReport.of(frame.title("Pruning"), frame.held(json), Optional.empty(), stages));
        return json;
    }

    @Override
    public Report report(TrainingRun frame, ObjectNode pruned, ObjectNode recovered, List<ObjectNode> stages)
            throws IOException {
        try (RunFolder nested = RunFolder.claim(frame.run().baseFolder(), RunFolder.Opening.RESUME)) {
            Run masks = new TrainingRun(terminal, nested, out).held(pruned);
            return MaskReport.of(frame.title("Pruning"), masks, Optional.of(frame.held(recovered)), stages);
        }
    }

    @Override
    public Optional<ModelPrompt> prompt(ModelFolder dense) {
        return request.prompt().or(() -> dense.config().prompt());
    }

    @Override
    public Optional<PreparedData> learntFrom() {
        return Optional.of(data);
    }

    private void check(RunState state) {
        MaskTraining.check(shape, request.training(), state);
    }

    @Override
    public Optional<Path> adapter(Path base) {
        return request.training().adapters().map(_ -> base.resolve(PeftAdapter.FOLDER));
    }

    /// Makes a model that nothing follows.
    ///
    /// @param run X/run, claimed
    /// @param text on which stages are compared, if any
    /// @param ops the backend
    JobCommand.Result alone(RunFolder run, Optional<EvalOptions.Text> text, Ops ops)
            throws IOException, JobCommand.Stopped {
        ObjectNode json;
        try (ModelFolder dense = ModelFolder.open(model, ops)) {
            json = train(run, dense, origin(dense));
        }
        return Work.of(() -> result(run, json, text, ops));
    }

    private JobCommand.Result result(RunFolder run, ObjectNode json, Optional<EvalOptions.Text> text, Ops ops)
            throws IOException {
        List<ObjectNode> stages = new ArrayList<>();
        if (text.isPresent()) {
            double removed = json.get(StageTable.REMOVED).doubleValue();
            double seconds = json.get("seconds").doubleValue();
            stages.add(text.get().measure("dense", model, 0, ops, terminal).put(StageTable.REMOVED, 0.0));
            stages.add(text.get().measure("pruned", out, seconds, ops, terminal).put(StageTable.REMOVED, removed));
        }
        json.put("peak_bytes", PeakMemory.bytes());
        report(run, json, stages);
        json.put("out", out.toString());
        json.putArray("rows").addAll(stages);
        ModelOptions.describe(json, ops);
        return new JobCommand.Result(json, summary(json, stages));
    }

    private ObjectNode train(RunFolder run, ModelFolder dense, RunConfig config)
            throws IOException, JobCommand.Stopped {
        dense.checkpoint().checkFinite(bytes -> {});
        run.configure(config, this::check);
        TrainingRun frame = new TrainingRun(terminal, run, out);
        ObjectNode json = Work.of(() -> frame.train(watch -> MaskPruning.run(dense, request, run, watch)))
                .orElseThrow(JobCommand.Stopped::new);
        json.put("model", model.toString());
        json.put("trained_parameters", request.training().adapters().map(LoraState::parameters).orElse(0L));
        data.putRows(json);
        json.put("peak_bytes", PeakMemory.bytes());
        return json;
    }

    private String summary(ObjectNode json, List<ObjectNode> stages) {
        return """
                %s: %,d parameters before, %,d after (%.2f%% of all removed)
                %s%s%.1f s, %.0f tokens/s in training, peak memory %,d bytes
                sha256 %s, report %s"""
                .formatted(
                        out,
                        json.get("parameters_before").longValue(),
                        json.get("parameters_after").longValue(),
                        100 * json.get("total_removed").doubleValue(),
                        summary(json),
                        StageTable.render(stages),
                        json.get("seconds").doubleValue(),
                        json.get("tokens_per_second").doubleValue(),
                        json.get("peak_bytes").longValue(),
                        json.get("sha256").textValue(),
                        out.resolve("run").resolve("report.html"));
    }

    @Override
    public String summary(ObjectNode json) {
        return "sparsity: wanted %.4f, trained to %.4f, masks realise %.4f, written %.4f%n%,d steps, %,d tokens%s%n"
                .formatted(
                        json.get("target_sparsity").doubleValue(),
                        json.get("sparsity").get("trained").doubleValue(),
                        json.get("sparsity").get("realised").doubleValue(),
                        json.get("sparsity").get("aligned").doubleValue(),
                        json.get("steps").longValue(),
                        json.get("tokens").longValue(),
                        json.has("teachers") ? ", %,d teachers".formatted(json.get("teachers").longValue()) : "");
    }
}
