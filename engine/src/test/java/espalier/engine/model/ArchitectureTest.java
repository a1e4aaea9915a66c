package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.LayerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ArchitectureTest {
    @Test
    void llamaListsItsTensorsInForwardOrder() {
        ModelShape shape = Shapes.toy(12, false, LayerShape.uniform(6, 2, 4, 10));
        assertEquals(
                List.of(
                        "model.embed_tokens.weight [11, 12]",
                        "model.layers.0.input_layernorm.weight [12]",
                        "model.layers.0.self_attn.q_proj.weight [24, 12]",
                        "model.layers.0.self_attn.k_proj.weight [8, 12]",
                        "model.layers.0.self_attn.v_proj.weight [8, 12]",
                        "model.layers.0.self_attn.o_proj.weight [12, 24]",
                        "model.layers.0.post_attention_layernorm.weight [12]",
                        "model.layers.0.mlp.gate_proj.weight [10, 12]",
                        "model.layers.0.mlp.up_proj.weight [10, 12]",
                        "model.layers.0.mlp.down_proj.weight [12, 10]",
                        "model.norm.weight [12]",
                        "lm_head.weight [11, 12]"),
                names(Architecture.LLAMA, shape));
    }

    @Test
    void aTiedModelHasNoHeadButUsesTheEmbeddingTwice() {
        ModelShape shape = Shapes.toy(12, true, LayerShape.uniform(3, 3, 4, 10));
        List<String> names = names(Architecture.LLAMA, shape);
        assertFalse(names.stream().anyMatch(name -> name.contains("lm_head")), names.toString());
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        Step.Linear head = (Step.Linear) graph.steps().getLast();
        assertEquals("model.embed_tokens.weight", head.weight().name());
    }

    @Test
    void biasesFollowTheirWeights() {
        ModelShape shape = Shapes.toy(
                12, false, new ModelShape.Biases(true, false, true), new LayerShape(new int[] {2, 1}, 4, 10));
        List<String> names = names(Architecture.LLAMA, shape);
        assertEquals(18, names.size());
        assertEquals("model.layers.0.self_attn.q_proj.bias [12]", names.get(3));
        assertEquals("model.layers.0.self_attn.k_proj.bias [8]", names.get(5));
        assertEquals("model.layers.0.self_attn.v_proj.bias [8]", names.get(7));
        assertEquals("model.layers.0.self_attn.o_proj.weight [12, 12]", names.get(8));
        assertEquals("model.layers.0.mlp.gate_proj.bias [10]", names.get(11));
        assertEquals("model.layers.0.mlp.down_proj.bias [12]", names.get(15));
        ModelShape onlyO = Shapes.toy(
                12, false, new ModelShape.Biases(false, true, false), LayerShape.uniform(3, 3, 4, 10));
        assertEquals(
                "model.layers.0.self_attn.o_proj.bias [12]",
                names(Architecture.LLAMA, onlyO).get(6));
    }

    @Test
    void qwen3NormsEachHead() {
        ModelShape shape = Shapes.toy(12, true, LayerShape.uniform(6, 2, 4, 10));
        List<String> added = new ArrayList<>(names(Architecture.QWEN3, shape));
        added.removeAll(names(Architecture.LLAMA, shape));
        assertEquals(
                List.of(
                        "model.layers.0.self_attn.q_norm.weight [4]", "model.layers.0.self_attn.k_norm.weight [4]"),
                added);
    }

    @Test
    void emptyLayersKeepTheirTensorsWithNoRows() {
        ModelShape shape = Shapes.toy(12, false, new LayerShape(new int[0], 4, 0));
        assertTrue(names(Architecture.LLAMA, shape).contains("model.layers.0.mlp.down_proj.weight [12, 0]"));
        assertTrue(names(Architecture.LLAMA, shape).contains("model.layers.0.self_attn.k_proj.weight [0, 12]"));
    }

    @Test
    void spacesNameTheChannelsOfEveryAxis() {
        ModelShape shape = Shapes.toy(
                12, false, LayerShape.uniform(6, 2, 4, 10), new LayerShape(new int[] {1, 2}, 4, 7));
        ChannelGraph graph = Architecture.LLAMA.graph(shape);
        TensorShape o = graph.tensor("model.layers.1.self_attn.o_proj.weight");
        assertEquals(List.of(Space.HIDDEN), o.rowSpaces());
        assertEquals(List.of(Space.query(1)), o.columnSpaces());
        assertEquals(1, o.layer());
        assertEquals(Space.WHOLE_MODEL, graph.tensor("lm_head.weight").layer());
        TensorShape k = graph.tensor("model.layers.1.self_attn.k_proj.weight");
        assertEquals(List.of(Space.kv(1)), k.rowSpaces());
        TensorShape embedding = graph.tensor("model.embed_tokens.weight");
        assertEquals(List.of(Space.VOCAB), embedding.rowSpaces());
        assertTrue(graph.tensor("model.norm.weight").isVector());
        assertEquals(8, Space.kv(1).width(shape));
        assertEquals(12, Space.query(1).width(shape));
        assertEquals(7, Space.ffn(1).width(shape));
        assertEquals(4, Space.head(0).width(shape));
    }

    @Test
    void wrongQuestionsAreRefused() {
        ModelShape shape = Shapes.toy(12, false, LayerShape.uniform(3, 3, 4, 10));
        assertEquals(
                "FFN(1) is outside a model of 1 layers",
                message(() -> Space.ffn(1).width(shape)));
        assertEquals(
                "space HIDDEN cannot belong to layer 3", message(() -> new Space(Space.Kind.HIDDEN, 3)));
        assertEquals("space FFN cannot belong to layer -1", message(() -> Space.ffn(-1)));
        assertEquals(
                "the model has no tensor model.layers.0.mlp.w1.weight",
                message(() -> Architecture.LLAMA.graph(shape).tensor("model.layers.0.mlp.w1.weight")));
        assertEquals(
                "model_type gpt2 is not supported; known: llama, mistral, qwen2, qwen3",
                message(() -> Architecture.forModelType("gpt2")));
        assertSame(Architecture.QWEN3, Architecture.forModelType("qwen3"));
        ChannelGraph.Builder pass = new ChannelGraph.Builder(shape);
        Step.Signal x = pass.embed("model.embed_tokens");
        assertEquals(
                "tensor model.embed_tokens.weight is declared as [11, 12] and as [12, 12]",
                message(() -> pass.linear("model.embed_tokens", x, Space.HIDDEN, false)));
    }

    @Test
    void expectedTensorsSayWhereTheirShapeComesFrom() {
        ModelShape shape = Shapes.toy(
                12, false, new ModelShape.Biases(true, true, false), new LayerShape(new int[] {2, 1}, 4, 10));
        List<String> reasons = Architecture.QWEN3.tensors(shape).stream()
                .map(tensor -> tensor.expected(shape))
                .map(expected -> expected.name().replace("model.layers.0.", "") + " "
                        + Arrays.toString(expected.shape()) + " " + expected.reason())
                .toList();
        assertEquals(
                List.of(
                        "model.embed_tokens.weight [11, 12] vocab_size x hidden_size",
                        "input_layernorm.weight [12] hidden_size",
                        "self_attn.q_proj.weight [12, 12] 3 heads x 4",
                        "self_attn.q_proj.bias [12] 3 heads x 4",
                        "self_attn.k_proj.weight [8, 12] 2 kv heads x 4",
                        "self_attn.k_proj.bias [8] 2 kv heads x 4",
                        "self_attn.v_proj.weight [8, 12] 2 kv heads x 4",
                        "self_attn.v_proj.bias [8] 2 kv heads x 4",
                        "self_attn.q_norm.weight [4] head_dim",
                        "self_attn.k_norm.weight [4] head_dim",
                        "self_attn.o_proj.weight [12, 12] 3 heads x 4",
                        "self_attn.o_proj.bias [12] hidden_size",
                        "post_attention_layernorm.weight [12] hidden_size",
                        "mlp.gate_proj.weight [10, 12] 10 feed-forward channels",
                        "mlp.up_proj.weight [10, 12] 10 feed-forward channels",
                        "mlp.down_proj.weight [12, 10] 10 feed-forward channels",
                        "model.norm.weight [12] hidden_size",
                        "lm_head.weight [11, 12] vocab_size x hidden_size"),
                reasons);
        List<Space> fused = List.of(Space.query(0), Space.kv(0), Space.kv(0));
        assertEquals(
                "3 heads x 4 + 2 kv heads x 4 + 2 kv heads x 4",
                TensorShape.matrix("qkv.weight", 0, fused, List.of(Space.HIDDEN), shape).expected(shape).reason());
    }

    private static List<String> names(Architecture architecture, ModelShape shape) {
        return architecture.tensors(shape).stream()
                .map(tensor -> tensor.name() + " " + tensor.dims())
                .toList();
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
