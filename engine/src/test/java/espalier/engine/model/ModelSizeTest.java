package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import espalier.engine.weights.LayerShape;
import espalier.kernels.DType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Counts of methods/llm-pruner.md, section 12.
class ModelSizeTest {
    @ParameterizedTest
    @CsvSource({
        "llama-7b, 6738415616, 424.021",
        "llama-13b, 13015864320, 824.328",
        "llama-3-8b, 8030261248, 481.473",
        "tinyllama-1.1b, 1100048384, 66.606",
        "smollm2-135m, 134515008, -1",
    })
    void denseModels(String name, long parameters, double billionMacs) {
        ModelSize size = ModelSize.of(Architecture.LLAMA, Shapes.documented(name));
        assertEquals(parameters, size.parameters());
        if (billionMacs > 0) {
            assertMacs(billionMacs, size);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // model, first and last pruned layer, query heads, key/value heads, FFN channels, parameters, MACs
        "llama-7b, 4, 30, 24, 24, 8256, 5422977024, 339.603",
        "llama-7b, 0, 32, 24, 24, 8256, 5119414272, -1",
        "llama-7b, 3, 31, 13, 13, 4403, 3350188032, 206.585",
        "llama-13b, 4, 38, 30, 30, 10368, 10319713280, 651.398",
        "llama-3-8b, 4, 30, 24, 6, 10752, 6612586496, 390.510",
        "tinyllama-1.1b, 4, 18, 24, 3, 4224, 945907712, 56.679",
        "smollm2-135m, 4, 26, 9, 3, 1152, 119916864, -1",
        "smollm2-135m, 4, 26, 6, 2, 998, 107574336, -1",
        "smollm2-135m, 4, 26, 6, 2, 768, 98830656, -1",
    })
    void blockPrunedModels(
            String name, int from, int to, int heads, int kvHeads, int ffn, long parameters, double billionMacs) {
        ModelShape dense = Shapes.documented(name);
        List<LayerShape> layers = new ArrayList<>(dense.layers());
        for (int layer = from; layer < to; layer++) {
            layers.set(layer, LayerShape.uniform(heads, kvHeads, layers.get(layer).headDim(), ffn));
        }
        ModelSize size = ModelSize.of(Architecture.LLAMA, dense.withWidths(dense.hidden(), layers));
        assertEquals(parameters, size.parameters());
        if (billionMacs > 0) {
            assertMacs(billionMacs, size);
        }
    }

    @ParameterizedTest
    @CsvSource({"3276, 5389416396, 339.361", "2048, 3369207808, 212.578"})
    void channelPrunedModels(int hidden, long parameters, double billionMacs) {
        ModelShape dense = Shapes.documented("llama-7b");
        ModelSize size = ModelSize.of(Architecture.LLAMA, dense.withWidths(hidden, dense.layers()));
        assertEquals(parameters, size.parameters());
        assertMacs(billionMacs, size);
    }

    @Test
    void aLayerOfLlama7b() {
        ModelSize size = ModelSize.of(Architecture.LLAMA, Shapes.documented("llama-7b"));
        assertEquals(67_108_864L + 135_266_304L, size.layers().getFirst().prunable());
        assertEquals(202_383_360L, size.layers().getLast().parameters());
        assertEquals(6_476_005_376L, size.prunable());
        assertEquals(2 * 6_738_415_616L, size.bytes(DType.F16));
        assertEquals(4 * 6_738_415_616L, size.bytes(DType.F32));
    }

    @Test
    void qwen3CountsItsHeadNorms() {
        ModelSize size = ModelSize.of(Architecture.QWEN3, Shapes.documented("qwen3-0.6b"));
        assertEquals(596_049_920L, size.parameters());
        assertEquals(15_730_944L, size.layers().getFirst().parameters());
    }

    @Test
    void unequalGroupsBiasesAndEmptyLayers() {
        ModelShape.Biases biases = new ModelShape.Biases(true, true, true);
        ModelShape shape = Shapes.toy(
                12, true, biases, new LayerShape(new int[] {2, 1}, 4, 10), new LayerShape(new int[0], 4, 0));
        ModelSize size = ModelSize.of(Architecture.LLAMA.graph(shape), 5);
        long attention = 12 * 12 + 8 * 12 + 8 * 12 + 12 * 12;
        long mlp = 3 * 10 * 12;
        assertEquals(attention + mlp, size.layers().getFirst().prunable());
        assertEquals(attention + mlp + 12 + 8 + 8 + 12 + 10 + 10 + 12 + 24, size.layers().getFirst().parameters());
        assertEquals(0, size.layers().getLast().prunable());
        assertEquals(12 + 12 + 24, size.layers().getLast().parameters());
        assertEquals(2 * 2 * 5 * 12, size.layers().getLast().macs());
        long attend = 3 * (2 * 5 * 5 * 4 + 5 * 5) + 4 * 5 * 3 * 4;
        assertEquals(5 * (attention + mlp) + attend + 5 * 10 + 4 * 5 * 12, size.layers().getFirst().macs());
        assertEquals(
                size.layers().getFirst().macs() + size.layers().getLast().macs() + 2 * 5 * 12 + 5 * 11 * 12,
                size.macs());
    }

    private static void assertMacs(double billion, ModelSize size) {
        assertEquals(billion, Math.round(size.macs() / 1e6) / 1e3, 1e-9);
    }
}
