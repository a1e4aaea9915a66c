package espalier.engine.gates;

import espalier.engine.model.AlignedWidth;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;

/// The mask outside training, Wang et al. 2020, arXiv:1910.04732: each block of gates loses as many as it expects to,
/// those with the smallest log-alpha, and of equal ones those with the lower index. The others keep soft values in
/// (0, 1).
public final class DeterministicMask {
    private DeterministicMask() {}

    /// @param layout the gates
    /// @param logAlpha one per gate, finite
    /// @param rule widths that may be left
    /// @return the mask; an enabling gate is 0 if it expects to be
    /// @throws IllegalArgumentException if the rule does not fit, see [WidthRule#requireFits]
    public static GateMask of(GateLayout layout, double[] logAlpha, WidthRule rule) {
        rule.requireFits(layout);
        layout.check("log-alpha", logAlpha);
        Map<GateFamily, Double> means = rule.uniform() ? meanZeros(layout, logAlpha) : Map.of();
        double[] gates = new double[layout.size()];
        for (GateBlock block : layout.blocks()) {
            double expected = rule.uniform() ? means.get(block.family()) : expectedZeros(logAlpha, block);
            int zeros = zeros(block, expected, rule.align());
            if (block.family().isEnabling()) {
                gates[block.offset()] = zeros > 0 ? 0 : 1;
            } else {
                soften(logAlpha, block, zeros, gates);
            }
        }
        return new GateMask(layout, gates);
    }

    private static Map<GateFamily, Double> meanZeros(GateLayout layout, double[] logAlpha) {
        return layout.blocks().stream().collect(Collectors.groupingBy(
                GateBlock::family, Collectors.averagingDouble(block -> expectedZeros(logAlpha, block))));
    }

    /// Rounds halves to the even number.
    private static int zeros(GateBlock block, double expected, int align) {
        int zeros = (int) Math.rint(expected);
        boolean isPartial = zeros > 0 && zeros < block.size();
        if (block.family() == GateFamily.FFN && isPartial) {
            return block.size() - AlignedWidth.of(block.size() - zeros, block.size(), align);
        }
        return zeros;
    }

    private static double expectedZeros(double[] logAlpha, GateBlock block) {
        double kept = 0;
        for (int i = block.offset(); i < block.end(); i++) {
            kept += HardConcrete.keep(logAlpha[i]);
        }
        return block.size() - kept;
    }

    /// Every training step comes here, so gates are not boxed to be put in order.
    private static void soften(double[] logAlpha, GateBlock block, int zeros, double[] gates) {
        double[] ordered = new double[block.size()];
        for (int i = 0; i < ordered.length; i++) {
            ordered[i] = orderKey(logAlpha[block.offset() + i]);
        }
        Arrays.sort(ordered);
        double last = zeros == 0 ? Double.NEGATIVE_INFINITY : ordered[zeros - 1];
        int smaller = 0;
        while (smaller < zeros && ordered[smaller] < last) {
            smaller++;
        }
        int equalZeros = zeros - smaller;
        for (int i = block.offset(); i < block.end(); i++) {
            double value = orderKey(logAlpha[i]);
            if (value == last && equalZeros > 0) {
                equalZeros--;
            } else if (value >= last) {
                gates[i] = HardConcrete.kept(logAlpha[i]);
            }
        }
    }

    /// Makes the two zeros equal, which an order of doubles tells apart.
    private static double orderKey(double logAlpha) {
        return logAlpha + 0.0;
    }
}
