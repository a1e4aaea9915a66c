package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.engine.model.ModelFolder;
import espalier.engine.prune.Pruned;
import espalier.engine.train.RunFolder;
import espalier.kernels.Ops;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// `prune --recover`: prunes into the run directory, trains adapters there, and publishes the merged model. The smaller
/// model without adapters stays at X/run/base, since the adapter at X/adapter belongs to it.
///
/// @param prune how to prune
/// @param model the folder that is pruned
/// @param out X
/// @param training how to train
/// @param eval text on which stages are compared, if any
record Recovery(PruneCommand prune, Path model, Path out, AdapterTraining training, EvalOptions eval) {
    JobCommand.Result run(RunFolder.Opening opening, ModelOptions options) throws IOException, JobCommand.Stopped {
        long start = System.nanoTime();
        try (RunFolder run = RunFolder.claim(out, opening); Ops ops = options.open()) {
            PreparedData prepared;
            Optional<EvalOptions.Text> text;
            // Before the pruning, which takes time, whatever may be wrong with the data.
            try (ModelFolder dense = ModelFolder.open(model, ops)) {
                prepared = training.prepare(dense, model, dense.config().prompt());
                text = eval.read(dense, model, dense.config().prompt());
            }
            ObjectNode origin = prune.origin(ops);
            prepared.described().set("pruning", origin);
            ObjectNode json = base(run, origin, ops);
            double pruningSeconds = json.get("seconds").doubleValue();
            AdapterTraining.Done done;
            try (ModelFolder base = ModelFolder.open(run.baseFolder(), ops)) {
                done = training.run(prepared, base, run.baseFolder(), out, run, recovered -> text.isPresent()
                                ? stages(text.get(), run, pruningSeconds, recovered.get("seconds").doubleValue(), ops)
                                : List.of())
                        .orElseThrow(JobCommand.Stopped::new);
            }
            json.put("out", out.toString());
            json.set("recovery", done.json());
            json.put("sha256", done.json().get("sha256").textValue());
            ArrayNode rows = json.putArray("rows");
            done.stages().forEach(rows::add);
            json.put("seconds", (System.nanoTime() - start) * 1e-9);
            json.put("peak_bytes", PeakMemory.bytes());
            ModelOptions.describe(json, ops);
            return new JobCommand.Result(json, summary(json, done));
        }
    }

    /// @return what `prune` tells of the base, from this process or an earlier one
    private ObjectNode base(RunFolder run, ObjectNode origin, Ops ops) throws IOException {
        Optional<ObjectNode> made = run.base(origin);
        if (made.isPresent()) {
            return made.get();
        }
        long start = System.nanoTime();
        Pruned pruned = prune.prune(ops, run.baseFolder(), false);
        ObjectNode result = PruneResult.of(model, pruned, (System.nanoTime() - start) * 1e-9).json();
        run.baseMade(result);
        return result;
    }

    private List<ObjectNode> stages(
            EvalOptions.Text measured, RunFolder run, double pruningSeconds, double trainingSeconds, Ops ops)
            throws IOException {
        List<ObjectNode> rows = new ArrayList<>();
        rows.add(measured.measure("dense", model, 0, ops, training.terminal()));
        rows.add(measured.measure("pruned", run.baseFolder(), pruningSeconds, ops, training.terminal()));
        rows.add(measured.measure("recovered", out, trainingSeconds, ops, training.terminal()));
        return rows;
    }

    private String summary(ObjectNode json, AdapterTraining.Done done) {
        StringBuilder text = new StringBuilder("%s: %,d parameters before, %,d after%n".formatted(
                out, json.get("parameters_before").longValue(), json.get("parameters_after").longValue()));
        if (!done.stages().isEmpty()) {
            text.append("%-10s %14s %12s %9s%n".formatted("stage", "parameters", "perplexity", "seconds"));
        }
        for (ObjectNode row : done.stages()) {
            text.append("%-10s %,14d %12.4f %9.1f%n".formatted(
                    row.get("stage").textValue(),
                    row.get("parameters").longValue(),
                    row.get("perplexity").doubleValue(),
                    row.get("seconds").doubleValue()));
        }
        return text + FinetuneCommand.summary(out, done.json());
    }
}
