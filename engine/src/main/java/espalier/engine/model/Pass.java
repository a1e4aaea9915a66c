package espalier.engine.model;

/// What varies between the roles that one frozen model plays: evaluation, scoring, teacher, student, recovery.
///
/// @param gates mask values
/// @param gateGradients receives the gradients of the mask values, +=
/// @param adapters low-rank adapters, with the gradients of those that are trained
/// @param weightGradients receives the gradients of the base weights
/// @param dropout on what trained adapters read; the backward must be given that of its forward
public record Pass(
        Gates gates, Gates gateGradients, Adapters adapters, WeightGradients weightGradients,
        AdapterDropout dropout) {
    /// A role without dropout.
    ///
    /// @param gates mask values
    /// @param gateGradients receives the gradients of the mask values, +=
    /// @param adapters low-rank adapters, with the gradients of those that are trained
    /// @param weightGradients receives the gradients of the base weights
    public Pass(Gates gates, Gates gateGradients, Adapters adapters, WeightGradients weightGradients) {
        this(gates, gateGradients, adapters, weightGradients, AdapterDropout.NONE);
    }

    /// The model as it is.
    ///
    /// @param layers number of layers
    /// @return all gates open, no adapters, nothing trained
    public static Pass plain(int layers) {
        return frozen(Gates.open(layers), Adapters.NONE);
    }

    /// A role that is only run forward.
    ///
    /// @param gates mask values
    /// @param adapters low-rank adapters
    /// @return nothing trained
    public static Pass frozen(Gates gates, Adapters adapters) {
        return new Pass(gates, Gates.open(gates.heads().size()), adapters, WeightGradients.NONE);
    }

    /// @param sink receives the gradients of the base weights
    /// @return this role with those gradients
    public Pass withWeightGradients(WeightGradients sink) {
        return new Pass(gates, gateGradients, adapters, sink, dropout);
    }

    /// @param other what is dropped
    /// @return this role with that dropout
    public Pass withDropout(AdapterDropout other) {
        return new Pass(gates, gateGradients, adapters, weightGradients, other);
    }
}
