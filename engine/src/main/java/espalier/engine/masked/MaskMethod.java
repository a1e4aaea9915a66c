package espalier.engine.masked;

/// What a student under sampled masks minimises, beside the constraint on its sparsity.
public sealed interface MaskMethod {
    /// Compresso: the cross-entropy of the labelled tokens.
    ///
    /// @param adapterSteps first steps of the run, in which adapters are trained without masks
    record Compresso(long adapterSteps) implements MaskMethod {
        /// Checks the range.
        public Compresso {
            if (adapterSteps < 0) {
                throw new IllegalArgumentException(
                        "steps that train adapters alone must not be negative, got " + adapterSteps);
            }
        }
    }

    /// NutePrune: the divergence from a teacher's distribution, and the distance from its hidden states.
    ///
    /// @param klWeight of `temperature^2 KL(teacher || student)`, summed over the tokens of a sequence, mean over
    ///     sequences
    /// @param layerWeight of the sum over layers of the mean squared difference of hidden states
    /// @param temperature of both distributions, positive
    /// @param teachers who teaches
    record NutePrune(double klWeight, double layerWeight, double temperature, TeacherSettings teachers)
            implements MaskMethod {
        /// The release's: 0.1, 0.9, 2/3.
        public static final NutePrune RELEASED = new NutePrune(0.1, 0.9, 2.0 / 3, TeacherSettings.RELEASED);

        /// Checks the ranges.
        public NutePrune {
            weight("kl weight", klWeight);
            weight("layer weight", layerWeight);
            if (klWeight + layerWeight == 0) {
                throw new IllegalArgumentException("neither the distributions nor the states of a teacher have weight");
            }
            if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(
                        "temperature is " + temperature + ", expected a positive number");
            }
        }

        private static void weight(String name, double value) {
            if (!(value >= 0 && value < Double.POSITIVE_INFINITY)) {
                throw new IllegalArgumentException(name + " is " + value + ", expected a number that is not negative");
            }
        }
    }

    /// @return first steps of the run without masks
    default long stepsWithoutMasks() {
        return switch (this) {
            case Compresso compresso -> compresso.adapterSteps();
            case NutePrune _ -> 0;
        };
    }
}
