package espalier.engine.masked;

import espalier.engine.gates.GateMask;
import espalier.engine.model.Hidden;
import espalier.engine.model.StateGradients;
import espalier.engine.train.Objective;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;

/// What a student learns in a micro-batch.
interface Task extends StepNote, AutoCloseable {
    /// Runs whatever runs before the student.
    ///
    /// @param part of a batch
    /// @param ws holds what the student is compared with
    /// @return the loss of this micro-batch
    /// @throws IOException if a teacher cannot be read
    Loss prepare(Objective.MicroBatch part, Workspace ws) throws IOException;

    @Override
    void close();

    /// The loss of one micro-batch.
    interface Loss {
        /// @param dNormed `[tokens, hidden]`, =, gradient of the student's final hidden states, of the loss times the
        ///     micro-batch's share of the batch
        /// @param student from its forward
        /// @param gates the draw that it ran under; empty if it had no masks
        /// @param ws for temporaries
        /// @return the loss
        Found find(Tensor dNormed, Hidden student, Optional<GateMask> gates, Workspace ws);
    }

    /// @param share of the micro-batch in its batch, which its loss counts with
    /// @param mean the loss of the micro-batch
    /// @param terms what it is the weighted sum of, by name
    /// @param states the gradients of the other hidden states; valid while the student's are
    record Found(double share, double mean, Map<String, Double> terms, StateGradients states) {}
}
