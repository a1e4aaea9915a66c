package espalier.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.bindings.PeakMemory;
import espalier.engine.prune.Compaction;
import espalier.engine.prune.Pruned;
import java.io.IOException;
import java.nio.file.Path;

/// What `prune` tells of a model that was pruned; the keys are in docs/json.md.
final class PruneResult {
    private PruneResult() {}

    /// @param model the folder that was pruned
    /// @param pruned what became of it
    /// @param seconds that it took
    /// @return the same as JSON and as text
    /// @throws IOException if the peak of memory cannot be read
    static JobCommand.Result of(Path model, Pruned pruned, double seconds) throws IOException {
        Compaction.Written written = pruned.written();
        ObjectNode json = Json.object();
        json.put("model", model.toString());
        json.put("out", pruned.folder().toString());
        json.put("parameters_before", pruned.before().parameters());
        json.put("parameters_after", pruned.after().parameters());
        json.put("macs_before", pruned.before().macs());
        json.put("macs_after", pruned.after().macs());
        json.put("bytes", written.bytes());
        pruned.reached().ifPresent(reached -> json.put("ratio", reached.ratio()));
        json.put("prunable_removed", pruned.prunableRemoved());
        json.put("total_removed", pruned.totalRemoved());
        if (!Double.isNaN(pruned.loss())) {
            json.put("calibration_loss", pruned.loss());
        }
        json.put("masked_difference", written.maskedDifference());
        json.put("logits_difference", written.logitsDifference());
        json.put("rounding_difference", written.roundingDifference());
        ArrayNode notices = json.putArray("notices");
        pruned.notices().forEach(notice -> notices.add(notice.message()));
        json.put("seconds", seconds);
        json.put("peak_bytes", PeakMemory.bytes());
        String text = """
                %s: %,d parameters before, %,d after (%.2f%% of prunable, %.2f%% of all removed)
                multiply-accumulates %,d before, %,d after
                proof: stages of plan and masked model differ by at most %.2g, logits by %.2g, the file's by %.2g more
                %.1f s, peak memory %,d bytes"""
                .formatted(
                        pruned.folder(),
                        pruned.before().parameters(),
                        pruned.after().parameters(),
                        100 * pruned.prunableRemoved(),
                        100 * pruned.totalRemoved(),
                        pruned.before().macs(),
                        pruned.after().macs(),
                        written.maskedDifference(),
                        written.logitsDifference(),
                        written.roundingDifference(),
                        seconds,
                        json.get("peak_bytes").longValue());
        return new JobCommand.Result(json, text);
    }
}
