package espalier.engine.gates;

/// The sparsity wanted at each step: it rises from 0 to its target over a warm-up and stays there. Without a warm-up it
/// is the target at once.
///
/// @param target final sparsity, in `[0, 1)`
/// @param warmup steps, not negative
/// @param shape how it rises
public record SparsitySchedule(double target, long warmup, Shape shape) {
    /// How the wanted sparsity rises.
    public enum Shape {
        /// In a straight line.
        LINEAR,
        /// `1 - (1 - x)^3` of the target: fast first.
        CUBIC
    }

    /// @throws IllegalArgumentException naming what is out of range
    public SparsitySchedule {
        if (!(target >= 0 && target < 1)) {
            throw new IllegalArgumentException("target sparsity is " + target + ", expected a number in [0, 1)");
        }
        if (warmup < 0) {
            throw new IllegalArgumentException("warm-up steps of the sparsity must not be negative, got " + warmup);
        }
    }

    /// @param step optimiser steps done since pruning began
    /// @return what the step aims at
    public double at(long step) {
        if (step >= warmup) {
            return target;
        }
        double left = 1 - (double) step / warmup;
        return switch (shape) {
            case LINEAR -> target * ((double) step / warmup);
            case CUBIC -> target * (1 - left * left * left);
        };
    }
}
