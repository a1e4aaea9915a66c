package espalier.engine.gates;

import espalier.kernels.Philox;
import java.util.Set;
import java.util.stream.Collectors;

/// One draw of all gates, with what their log-alphas need of it for the backward.
public final class GateSample {
    private final GateMask mask;
    private final double[] slopes;

    private GateSample(GateMask mask, double[] slopes) {
        this.mask = mask;
        this.slopes = slopes;
    }

    /// @param layout the gates
    /// @param logAlpha one per gate, finite
    /// @param key which draw
    /// @return the draw
    public static GateSample of(GateLayout layout, double[] logAlpha, GateKey key) {
        double[] uniforms = new double[layout.size()];
        for (GateBlock block : layout.blocks()) {
            Philox draws = key.draws(block);
            for (int i = 0; i < block.size(); i++) {
                uniforms[block.offset() + i] = HardConcrete.withoutEnds(draws.uniform(key.index(i)));
            }
        }
        return of(layout, logAlpha, uniforms);
    }

    /// The gates of given uniform draws, each in (0, 1). Enabling gates are rounded.
    static GateSample of(GateLayout layout, double[] logAlpha, double[] uniforms) {
        layout.check("log-alpha", logAlpha);
        double[] gates = new double[layout.size()];
        double[] slopes = new double[layout.size()];
        for (GateBlock block : layout.blocks()) {
            for (int i = block.offset(); i < block.end(); i++) {
                double concrete = HardConcrete.concrete(uniforms[i], logAlpha[i]);
                double gate = HardConcrete.gate(concrete);
                gates[i] = block.family().isEnabling() ? GatedHalf.rounded(gate) : gate;
                slopes[i] = HardConcrete.gateSlope(concrete);
            }
        }
        return new GateSample(new GateMask(layout, gates), slopes);
    }

    /// @return the gates
    public GateMask mask() {
        return mask;
    }

    /// Under the gate of a layer that this draw trains even values at 0 need their gradients, of which that gate's is a
    /// sum (l0-masks.md §8). Everywhere else they reach no log-alpha.
    ///
    /// @return the layers under such gates, 0-based
    public Set<Integer> layersUnderTrainedGates() {
        return mask.layout().blocks().stream()
                .filter(block -> block.family().isEnabling() && slopes[block.offset()] != 0)
                .map(GateBlock::layer)
                .collect(Collectors.toUnmodifiableSet());
    }

    /// The backward of the draw.
    ///
    /// @param dValues the loss's gradients with respect to the mask's [GateMask#values]
    /// @return `[gates]`, its gradients with respect to log-alpha; exactly 0 for gates that are 0 or 1
    public double[] gradient(MaskValues dValues) {
        double[] gradient = mask.gradient(dValues);
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] *= slopes[i];
        }
        return gradient;
    }
}
