package espalier.engine.masked;

import espalier.engine.adapt.LoraState;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateTraining;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.SparsitySchedule;
import espalier.engine.train.AdamW;
import espalier.engine.train.Examples;
import espalier.engine.train.LearningRate;
import espalier.engine.train.Trainer;
import espalier.engine.train.TrainingSettings;
import java.util.Optional;

/// Trains masks of a frozen model, and adapters with them.
public final class MaskTraining {
    /// What to train, and how.
    ///
    /// @param method what is minimised
    /// @param gates which units have gates
    /// @param initialGates what they begin as
    /// @param sparsity what is aimed at, steps counted from the first with masks
    /// @param gateRate learning rate of log-alphas, and minus that of the multipliers; positive
    /// @param adapters at the start; empty to train masks alone
    /// @param settings of the run, steps without masks included
    /// @param learningRate of the adapters over its steps
    /// @param optimiser of the adapters
    /// @param training what is learnt from
    /// @param validation predicted by the deterministic masks now and then; may be empty
    /// @param memory bytes that may be used
    public record Request(
            MaskMethod method,
            GateSettings gates,
            InitialGates initialGates,
            SparsitySchedule sparsity,
            double gateRate,
            Optional<LoraState> adapters,
            TrainingSettings settings,
            LearningRate learningRate,
            AdamW.Settings optimiser,
            Examples training,
            Examples validation,
            long memory) {
        GateTraining.Settings gateTraining() {
            return new GateTraining.Settings(settings.seed(), sparsity, gateRate);
        }
    }

    /// What came out.
    ///
    /// @param outcome of the run
    /// @param mask deterministic, of the last step
    /// @param expected expected sparsity of the gates at the last step
    /// @param adapters of the last step
    /// @param snapshots that were taken
    public record Trained(
            Trainer.Outcome outcome, GateMask mask, double expected, Optional<LoraState> adapters, int snapshots) {}

    private MaskTraining() {}
}
