package espalier.engine.prune;

/// How much is to be removed.
public sealed interface SizeTarget {
    /// A share of each group's units, taken as it is.
    ///
    /// @param ratio in `[0, 1)`
    record GroupRatio(double ratio) implements SizeTarget {
        /// Checks the range.
        public GroupRatio {
            checkShare("ratio", ratio);
        }
    }

    /// A share of the prunable parameters: attention and FFN matrices of all layers.
    ///
    /// @param share in `[0, 1)`
    record Prunable(double share) implements SizeTarget {
        /// Checks the range.
        public Prunable {
            checkShare("target share of prunable parameters", share);
        }
    }

    /// A share of all parameters, embedding and lm_head included.
    ///
    /// @param share in `[0, 1)`
    record Total(double share) implements SizeTarget {
        /// Checks the range.
        public Total {
            checkShare("target share of all parameters", share);
        }
    }

    private static void checkShare(String name, double share) {
        if (!(share >= 0 && share < 1)) {
            throw new IllegalArgumentException(name + " must be in [0, 1), got " + share);
        }
    }
}
