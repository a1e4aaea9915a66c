package espalier.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.cli.report.Report;
import espalier.cli.report.TrainingReport;
import espalier.engine.model.ModelFolder;
import espalier.engine.train.RunConfig;
import espalier.engine.train.RunFolder;
import espalier.engine.weights.ModelPrompt;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// `prune --recover`: makes the smaller model in the run directory, trains adapters there, and publishes the merged
/// model. The smaller model without these adapters stays at X/run/base, since the adapter at X/adapter belongs to it.
///
/// @param smaller makes the smaller model
/// @param model the folder that is pruned
/// @param out X
/// @param training how to train
/// @param eval text on which stages are compared, if any
record Recovery(SmallerModel smaller, Path model, Path out, AdapterTraining training, EvalOptions eval) {
    /// How the model that adapters are trained on comes to lie in X/run/base.
    interface SmallerModel {
        /// Checks all that can be known before long work.
        ///
        /// @param dense the model that is made smaller
        /// @return all that decides about the result
        RunConfig origin(ModelFolder dense) throws IOException;

        /// @param run the run directory
        /// @param origin from [#origin]
        /// @return what `prune` tells of the base, from this process or an earlier one
        /// @throws JobCommand.Stopped if a signal asked to stop before it was complete
        ObjectNode in(RunFolder run, RunConfig origin, Ops ops) throws IOException, JobCommand.Stopped;

        /// @param pruned from [#in]
        /// @return what people should read of it beside its size: lines, or nothing
        default String summary(ObjectNode pruned) {
            return "";
        }

        /// @param frame of the recovery
        /// @param pruned from [#in]
        /// @param recovered keys of the recovery
        /// @param stages rows that were measured
        /// @return the page of the whole run
        default Report report(
                TrainingRun frame, ObjectNode pruned, ObjectNode recovered, List<ObjectNode> stages)
                throws IOException {
            return TrainingReport.of(frame.title("Fine-tuning"), frame.held(recovered), stages);
        }

        /// @param dense the model that is made smaller
        /// @return what the result carries
        default Optional<ModelPrompt> prompt(ModelFolder dense) {
            return dense.config().prompt();
        }

        /// @return what was read to make it
        default Optional<PreparedData> learntFrom() {
            return Optional.empty();
        }

        /// @param base X/run/base
        /// @return folder of the adapters that belong to the model there, not merged so that they can be trained on
        default Optional<Path> adapter(Path base) {
            return Optional.empty();
        }
    }

    /// @param run X/run, claimed
    /// @param ops the backend
    JobCommand.Result run(RunFolder run, Ops ops) throws IOException, JobCommand.Stopped {
        long start = System.nanoTime();
        PreparedData prepared;
        Optional<EvalOptions.Text> text;
        RunConfig origin;
        // Before the pruning, which takes time, whatever may be wrong with the data.
        try (ModelFolder dense = ModelFolder.open(model, ops)) {
            prepared = training.prepare(dense, model, smaller.learntFrom());
            text = eval.read(dense, model, smaller.prompt(dense));
            origin = smaller.origin(dense);
        }
        prepared.described().set("pruning", origin.withoutMachine().binding());
        ObjectNode json = smaller.in(run, origin, ops);
        AdapterTraining.Done done;
        try (ModelFolder base = ModelFolder.open(run.baseFolder(), ops)) {
            AdapterTraining.Stages stages = new AdapterTraining.Stages() {
                @Override
                public List<ObjectNode> measure(ObjectNode recovered) throws IOException {
                    return text.isPresent()
                            ? stages(text.get(), run, json, recovered.get("seconds").doubleValue(), ops)
                            : List.of();
                }

                @Override
                public Report report(TrainingRun frame, ObjectNode recovered, List<ObjectNode> measured)
                        throws IOException {
                    return smaller.report(frame, json, recovered, measured);
                }
            };
            done = training.run(prepared, base, run.baseFolder(), out, run, stages)
                    .orElseThrow(JobCommand.Stopped::new);
        }
        json.put("out", out.toString());
        json.set("recovery", done.json());
        json.put("sha256", done.json().get("sha256").textValue());
        json.putArray("rows").addAll(done.stages());
        json.put("seconds", (System.nanoTime() - start) * 1e-9);
        json.put("peak_bytes", PeakMemory.bytes());
        ModelOptions.describe(json, ops);
        return new JobCommand.Result(json, summary(json, done));
    }

    /// @param pruned what was told of the smaller model
    private List<ObjectNode> stages(
            EvalOptions.Text measured, RunFolder run, ObjectNode pruned, double trainingSeconds, Ops ops)
            throws IOException {
        double removed = pruned.get(StageTable.REMOVED).doubleValue();
        double pruningSeconds = pruned.get("seconds").doubleValue();
        List<ObjectNode> rows = new ArrayList<>();
        rows.add(measured.measure("dense", model, 0, ops, training.terminal()).put(StageTable.REMOVED, 0.0));
        Path base = run.baseFolder();
        Optional<Path> adapter = smaller.adapter(base);
        ObjectNode row = adapter.isPresent()
                ? measured.measure("pruned", base, adapter.get(), pruningSeconds, ops, training.terminal())
                : measured.measure("pruned", base, pruningSeconds, ops, training.terminal());
        rows.add(row.put(StageTable.REMOVED, removed));
        rows.add(measured.measure("recovered", out, trainingSeconds, ops, training.terminal())
                .put(StageTable.REMOVED, removed));
        return rows;
    }

    private String summary(ObjectNode json, AdapterTraining.Done done) {
        return "%s: %,d parameters before, %,d after%n%s%s%s".formatted(
                out,
                json.get("parameters_before").longValue(),
                json.get("parameters_after").longValue(),
                smaller.summary(json),
                StageTable.render(done.stages()),
                FinetuneCommand.summary(out, done.json()));
    }
}
