package espalier.kernels.roofline;

import espalier.kernels.Check;
import espalier.kernels.HeadMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The widths of one decoder layer and of the output head, as far as kernels see them.
///
/// @param hidden residual width
/// @param queriesPerKv `[kvHeads]`, query heads of each key/value head; may be empty
/// @param headDim width of a head
/// @param ffn FFN channels, 0 allowed
/// @param vocab rows of the output head
/// @param context longest sequence
public record RooflineShape(int hidden, int[] queriesPerKv, int headDim, int ffn, int vocab, int context) {
    /// HuggingFaceTB/SmolLM2-135M.
    public static final RooflineShape SMOLLM2_135M =
            new RooflineShape(576, new int[] {3, 3, 3}, 64, 1536, 49152, 8192);

    /// Weights of one shape.
    ///
    /// @param names what checkpoints call them
    /// @param inputs columns
    /// @param outputs rows
    public record Projection(List<String> names, int inputs, int outputs) {
        /// Copies the list.
        public Projection {
            names = List.copyOf(names);
        }
    }

    /// Checks ranges and copies the counts.
    public RooflineShape {
        Check.positive("hidden", hidden);
        Check.notNegative("ffn", ffn);
        Check.positive("vocab", vocab);
        Check.positive("context", context);
        queriesPerKv = queriesPerKv.clone();
        HeadMap.of(queriesPerKv, headDim);
    }

    /// @return a copy of the counts
    @Override
    public int[] queriesPerKv() {
        return queriesPerKv.clone();
    }

    /// @return query heads
    public int heads() {
        return Arrays.stream(queriesPerKv).sum();
    }

    /// @return key/value heads
    public int kvHeads() {
        return queriesPerKv.length;
    }

    /// @return the matrices of a layer and the output head, those of one shape together, none without elements
    public List<Projection> projections() {
        int queryWidth = heads() * headDim;
        int kvWidth = kvHeads() * headDim;
        Map<List<Integer>, List<String>> names = new LinkedHashMap<>();
        add(names, "q_proj", hidden, queryWidth);
        add(names, "k_proj", hidden, kvWidth);
        add(names, "v_proj", hidden, kvWidth);
        add(names, "o_proj", queryWidth, hidden);
        add(names, "gate_proj", hidden, ffn);
        add(names, "up_proj", hidden, ffn);
        add(names, "down_proj", ffn, hidden);
        add(names, "lm_head", hidden, vocab);
        List<Projection> projections = new ArrayList<>();
        names.forEach((shape, of) -> projections.add(new Projection(of, shape.getFirst(), shape.getLast())));
        return projections;
    }

    private static void add(Map<List<Integer>, List<String>> names, String name, int inputs, int outputs) {
        if (inputs > 0 && outputs > 0) {
            names.computeIfAbsent(List.of(inputs, outputs), _ -> new ArrayList<>()).add(name);
        }
    }
}
