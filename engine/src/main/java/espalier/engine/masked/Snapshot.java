package espalier.engine.masked;

import espalier.engine.adapt.LoraState;
import espalier.engine.gates.MaskValues;
import java.util.Optional;

/// A student at some sparsity, which may teach it later: deterministic masks, and adapters where they are trained.
///
/// @param index of the run's snapshots, from 0
/// @param step steps of the run done before
/// @param expected expected sparsity of the gates
/// @param realised share of prunable parameters that the masks remove
/// @param masks soft values of what is kept, zeros for what is not
/// @param adapters those of the student; empty if none are trained
public record Snapshot(
        int index, long step, double expected, double realised, MaskValues masks, Optional<LoraState> adapters) {}
