package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.gates.WidthRule;
import java.util.Locale;

/// Masks and method in the configuration of a run.
final class MaskDescription {
    private MaskDescription() {}

    /// @return the method as in options
    static String name(MaskMethod method) {
        return switch (method) {
            case MaskMethod.Compresso _ -> "compresso";
            case MaskMethod.NutePrune _ -> "nuteprune";
        };
    }

    /// Adds the sections `method`, `sparsity` and `gates`.
    static void put(
            ObjectNode json, MaskTraining.Request request, MaskPruning.Landing landing, WidthRule widths) {
        ObjectNode method = json.putObject("method");
        method.put("name", name(request.method()));
        switch (request.method()) {
            case MaskMethod.Compresso compresso -> method.put("adapter_steps", compresso.adapterSteps());
            case MaskMethod.NutePrune nutePrune -> put(method, nutePrune);
        }
        SparsitySchedule schedule = request.sparsity();
        json.putObject("sparsity")
                .put("target", schedule.target())
                .put("warmup", schedule.warmup())
                .put("schedule", name(schedule.shape()));
        GateSettings gates = request.gates();
        InitialGates initial = request.initialGates();
        json.putObject("gates")
                .put("heads", gates.heads())
                .put("ffn", gates.ffn())
                .put("hidden", gates.hidden())
                .put("head_unit", name(gates.headUnit()))
                .put("enabling", name(gates.enabling()))
                .put("layers", gates.layers().toString())
                .put("learning_rate", request.rates().gates())
                .put("multiplier_learning_rate", request.rates().multipliers())
                .put("initial_drop_rate", initial.dropRate())
                .put("initial_deviation", initial.deviation())
                .put("initially_enabled", initial.enabled())
                .put("landing", name(landing))
                .put("align", widths.align())
                .put("uniform", widths.uniform());
    }

    private static void put(ObjectNode method, MaskMethod.NutePrune nutePrune) {
        TeacherSettings teachers = nutePrune.teachers();
        method.put("kl_weight", nutePrune.klWeight())
                .put("layer_weight", nutePrune.layerWeight())
                .put("temperature", nutePrune.temperature())
                .put("teachers", name(teachers.mode()))
                .put("teacher_interval", teachers.interval())
                .put("teacher_gap", teachers.gap())
                .put("as_released", teachers.asReleased());
    }

    private static String name(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }
}
