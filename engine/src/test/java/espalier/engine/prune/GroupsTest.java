package espalier.engine.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.model.Architecture;
import espalier.engine.model.Axis;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Shapes;
import espalier.engine.model.Space;
import espalier.engine.model.Step.Signal;
import espalier.engine.model.TensorShape;
import espalier.engine.weights.LayerShape;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// The table of methods/llm-pruner.md, section 1.
class GroupsTest {
    private static final String Q = "model.layers.0.self_attn.q_proj.weight";

    @Test
    void headsOfMultiHeadAttention() {
        ChannelGraph graph = graph(false, ModelShape.Biases.NONE, LayerShape.uniform(3, 3, 4, 10));
        Group heads = Groups.closure(graph, Q, Axis.ROWS, 5);
        assertEquals(Group.Kind.HEADS, heads.kind());
        assertEquals(0, heads.layer());
        assertEquals(3, heads.units());
        assertEquals(4, heads.unitWidth());
        assertEquals(
                List.of("q_proj rows", "k_proj rows", "v_proj rows", "o_proj columns"), labels(heads));
        assertEquals("o_proj columns", heads.members().get(heads.last()).label());
        for (Member member : heads.members()) {
            assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, member.rootChannelOf());
            assertEquals(0, member.offset());
        }
    }

    @Test
    void groupedQueriesLeaveWithTheirKeyValueHead() {
        ChannelGraph graph = graph(false, ModelShape.Biases.NONE, LayerShape.uniform(4, 2, 2, 10));
        Group groups = Groups.closure(graph, Q, Axis.ROWS, 0);
        assertEquals(Group.Kind.KV_GROUPS, groups.kind());
        assertEquals(2, groups.units());
        assertEquals(2, groups.unitWidth());
        assertEquals(
                List.of("k_proj rows", "q_proj rows", "v_proj rows", "o_proj columns"), labels(groups));
        int[] repeated = {0, 1, 0, 1, 2, 3, 2, 3};
        int[] own = {0, 1, 2, 3};
        assertArrayEquals(own, groups.members().get(0).rootChannelOf());
        assertArrayEquals(repeated, groups.members().get(1).rootChannelOf());
        assertArrayEquals(own, groups.members().get(2).rootChannelOf());
        assertArrayEquals(repeated, groups.members().get(3).rootChannelOf());
    }

    @Test
    void unequalQueryGroups() {
        ChannelGraph graph = graph(false, ModelShape.Biases.NONE, new LayerShape(new int[] {1, 3, 2}, 2, 10));
        Group groups = Groups.closure(graph, Q, Axis.ROWS, 0);
        assertEquals(Group.Kind.KV_GROUPS, groups.kind());
        assertEquals(3, groups.units());
        int[] repeated = {0, 1, 2, 3, 2, 3, 2, 3, 4, 5, 4, 5};
        assertArrayEquals(repeated, groups.members().get(1).rootChannelOf());
        assertArrayEquals(repeated, groups.members().get(3).rootChannelOf());
        assertArrayEquals(new int[] {2, 6, 4}, groups.channelsPerUnit(groups.members().get(1)));
        assertArrayEquals(new int[] {2, 2, 2}, groups.channelsPerUnit(groups.root()));
    }

    @Test
    void ffnChannels() {
        ChannelGraph graph = graph(false, ModelShape.Biases.NONE, LayerShape.uniform(3, 3, 4, 10));
        Group ffn = Groups.closure(graph, "model.layers.0.mlp.down_proj.weight", Axis.COLUMNS, 9);
        assertEquals(Group.Kind.FFN, ffn.kind());
        assertEquals(10, ffn.units());
        assertEquals(1, ffn.unitWidth());
        assertEquals(List.of("gate_proj rows", "up_proj rows", "down_proj columns"), labels(ffn));
        assertEquals(2, ffn.last());
    }

    @Test
    void hiddenChannelsRunThroughTheWholeModel() {
        LayerShape layer = LayerShape.uniform(4, 2, 4, 10);
        Group hidden = Groups.closure(
                graph(false, ModelShape.Biases.NONE, layer, layer), "lm_head.weight", Axis.COLUMNS, 0);
        assertEquals(Group.Kind.HIDDEN, hidden.kind());
        assertEquals(Space.WHOLE_MODEL, hidden.layer());
        assertEquals(12, hidden.units());
        List<String> inLayer = List.of(
                "input_layernorm rows", "q_proj columns", "k_proj columns", "v_proj columns", "o_proj rows",
                "post_attention_layernorm rows", "gate_proj columns", "up_proj columns", "down_proj rows");
        assertEquals(21, hidden.members().size());
        assertEquals("embed_tokens columns", labels(hidden).getFirst());
        assertEquals(inLayer, labels(hidden).subList(1, 10));
        assertEquals(inLayer, labels(hidden).subList(10, 19));
        assertEquals(List.of("norm rows", "lm_head columns"), labels(hidden).subList(19, 21));
        assertEquals(20, hidden.last());
        assertEquals(21, hidden.scored().size());
    }

    @Test
    void aTiedEmbeddingIsOneMember() {
        Group hidden = Groups.closure(
                graph(true, ModelShape.Biases.NONE, LayerShape.uniform(3, 3, 4, 10)),
                "model.norm.weight",
                Axis.ROWS,
                3);
        assertEquals(11, hidden.members().size());
        assertEquals("norm rows", labels(hidden).getLast());
        assertEquals("embed_tokens columns", hidden.members().get(hidden.last()).label());
    }

    @Test
    void biasesGoWithTheirRowsUnscored() {
        ModelShape.Biases all = new ModelShape.Biases(true, true, true);
        Groups groups = Groups.of(graph(false, all, LayerShape.uniform(4, 2, 4, 10)));
        Group heads = groups.of(Group.Kind.KV_GROUPS).getFirst();
        assertEquals(
                List.of(
                        "k_proj rows", "q_proj rows", "q_proj.bias rows", "k_proj.bias rows", "v_proj rows",
                        "v_proj.bias rows", "o_proj columns"),
                labels(heads));
        assertEquals(4, heads.scored().size());
        assertArrayEquals(
                heads.members().get(1).rootChannelOf(), heads.members().get(2).rootChannelOf());
        Group ffn = groups.of(Group.Kind.FFN).getFirst();
        assertEquals(
                List.of(
                        "gate_proj rows", "gate_proj.bias rows", "up_proj rows", "up_proj.bias rows",
                        "down_proj columns"),
                labels(ffn));
        Group hidden = groups.of(Group.Kind.HIDDEN).getFirst();
        assertTrue(labels(hidden).containsAll(List.of("o_proj.bias rows", "down_proj.bias rows")));
        assertFalse(hidden.scored().stream().anyMatch(member -> member.tensor().endsWith(".bias")));
    }

    @Test
    void everyMemberOfAGroupTriggersIt() {
        ModelShape.Biases all = new ModelShape.Biases(true, true, true);
        ChannelGraph graph = graph(
                true, all, LayerShape.uniform(4, 2, 4, 10), new LayerShape(new int[] {2, 1}, 4, 7));
        for (Group group : Groups.of(graph).all()) {
            for (Member member : group.members()) {
                Group closed =
                        Groups.closure(graph, member.tensor(), member.axis(), member.offset() + member.length() - 1);
                assertEquals(labels(group), labels(closed));
                assertEquals(group.name(), closed.name());
            }
        }
    }

    @Test
    void everyPrunableAxisBelongsToExactlyOneGroup() {
        ChannelGraph graph = graph(
                false, ModelShape.Biases.NONE, LayerShape.uniform(4, 2, 4, 10), new LayerShape(new int[0], 4, 0));
        Groups groups = Groups.of(graph);
        assertEquals(3, groups.all().size());
        TreeSet<String> axes = new TreeSet<>();
        for (Group group : groups.all()) {
            for (Member member : group.members()) {
                assertTrue(axes.add(member.tensor() + " " + member.axis()), member.toString());
            }
        }
        long prunable = graph.tensors().stream()
                .flatMap(tensor -> List.of(tensor.rowSpaces(), tensor.columnSpaces()).stream())
                .filter(spaces -> spaces.stream().anyMatch(space ->
                        space.kind().prunable() && space.width(graph.shape()) > 0))
                .count();
        assertEquals(prunable, axes.size());
    }

    @Test
    void headNormsOfQwen3BelongToNoGroup() {
        ModelShape shape = Shapes.documented("qwen3-0.6b");
        Groups groups = Groups.of(Architecture.QWEN3.graph(shape));
        Group first = groups.of(Group.Kind.KV_GROUPS).getFirst();
        assertEquals(8, first.units());
        assertEquals(128, first.unitWidth());
        assertEquals(List.of("k_proj rows", "q_proj rows", "v_proj rows", "o_proj columns"), labels(first));
    }

    /// Fused matrices (Phi-3) need a declaration and nothing else.
    @Test
    void aFusedFamilyIsOnlyAnotherDeclaration() {
        ModelShape shape = Shapes.toy(12, true, LayerShape.uniform(4, 2, 2, 3));
        ChannelGraph.Builder pass = new ChannelGraph.Builder(shape);
        Signal x = pass.embed("embed");
        pass.layer(0);
        List<Signal> qkv = pass.fusedLinear(
                "layers.0.qkv_proj", x, List.of(Space.query(0), Space.kv(0), Space.kv(0)), true);
        Signal attended = pass.attend(qkv.get(0), qkv.get(1), qkv.get(2));
        x = pass.add(x, pass.linear("layers.0.o_proj", attended, Space.HIDDEN, false));
        List<Signal> gateUp =
                pass.fusedLinear("layers.0.gate_up_proj", x, List.of(Space.ffn(0), Space.ffn(0)), false);
        Signal activated = pass.swiGlu(gateUp.get(0), gateUp.get(1));
        pass.add(x, pass.linear("layers.0.down_proj", activated, Space.HIDDEN, false));
        ChannelGraph graph = pass.build();

        Groups groups = Groups.of(graph);
        Group ffn = groups.of(Group.Kind.FFN).getFirst();
        assertEquals(List.of("gate_up_proj rows", "gate_up_proj rows", "down_proj columns"), labels(ffn));
        assertEquals(List.of(0, 3, 0), ffn.members().stream().map(Member::offset).toList());
        Group heads = groups.of(Group.Kind.KV_GROUPS).getFirst();
        assertEquals(8, heads.root().offset());
        assertEquals(
                List.of(8, 0, 0, 8, 12, 12, 0),
                heads.members().stream().map(Member::offset).toList());
        assertEquals(heads.name(), Groups.closure(graph, "layers.0.qkv_proj.weight", Axis.ROWS, 13).name());
        TensorShape fused = graph.tensor("layers.0.qkv_proj.weight");
        assertEquals(List.of(16, 12), fused.dims());
        PruningPlan plan =
                PruningPlan.keepAll(shape).withLayer(0, new PruningPlan.Kept(new int[] {2, 3}, new int[] {1}));
        List<Integer> kept = fused.rowSpaces().stream().map(space -> plan.kept(space).length).toList();
        assertEquals(List.of(4, 2, 2), kept);
    }

    @Test
    void whatIsNotPrunedIsRefused() {
        ChannelGraph graph = graph(false, ModelShape.Biases.NONE, LayerShape.uniform(3, 3, 4, 10));
        assertEquals(
                "rows of lm_head.weight, which is [11, 12], has no prunable channel 2",
                message(() -> Groups.closure(graph, "lm_head.weight", Axis.ROWS, 2)));
        assertEquals(
                "rows of " + Q + ", which is [12, 12], has no prunable channel 12",
                message(() -> Groups.closure(graph, Q, Axis.ROWS, 12)));
        assertEquals(
                "the model has no tensor nothing",
                message(() -> Groups.closure(graph, "nothing", Axis.ROWS, 0)));
    }

    /// Queries that two attentions share, with groups that cross: no unit of one is a union of units of the other.
    @Test
    void groupsThatCrossAreRefused() {
        ModelShape shape = Shapes.toy(
                12, true, new LayerShape(new int[] {1, 2}, 2, 3), new LayerShape(new int[] {2, 1}, 2, 3));
        ChannelGraph.Builder pass = new ChannelGraph.Builder(shape);
        Signal x = pass.embed("embed");
        Signal query = pass.linear("q_proj", x, Space.query(0), false);
        for (int layer = 0; layer < 2; layer++) {
            pass.layer(layer);
            Signal key = pass.linear(layer + ".k_proj", x, Space.kv(layer), false);
            pass.attend(query, key, pass.linear(layer + ".v_proj", x, Space.kv(layer), false));
        }
        assertEquals(
                "channel 0 of KV(1) would leave with channels 0 and 2 of the root of its group",
                message(() -> Groups.of(pass.build())));
    }

    @Test
    void describesRunsOfEqualLayers() {
        LayerShape plain = LayerShape.uniform(4, 2, 4, 10);
        Groups groups = Groups.of(graph(
                false,
                ModelShape.Biases.NONE,
                plain,
                plain,
                LayerShape.uniform(3, 3, 4, 10),
                new LayerShape(new int[] {2, 1}, 4, 10),
                plain));
        String attention = "k_proj rows, q_proj rows, v_proj rows, o_proj columns";
        assertEquals(
                """
                layer 2        heads             3 units of 4 channels: q_proj rows, k_proj rows, v_proj rows, \
                o_proj columns
                layers 0..1    key/value groups  2 units of 4 channels with 2 query heads: ATTENTION
                layer 3        key/value groups  2 units of 4 channels with [2, 1] query heads: ATTENTION
                layer 4        key/value groups  2 units of 4 channels with 2 query heads: ATTENTION
                layers 0..4    FFN channels      10 units of 1 channel: gate_proj rows, up_proj rows, down_proj columns
                whole model    hidden channels   12 units of 1 channel: embed_tokens columns, input_layernorm rows x5, \
                q_proj columns x5, k_proj columns x5, v_proj columns x5, o_proj rows x5, \
                post_attention_layernorm rows x5, gate_proj columns x5, up_proj columns x5, down_proj rows x5, \
                norm rows, lm_head columns
                """
                        .replace("ATTENTION", attention),
                groups.describe());
    }

    private static ChannelGraph graph(boolean tied, ModelShape.Biases biases, LayerShape... layers) {
        return Architecture.LLAMA.graph(Shapes.toy(12, tied, biases, layers));
    }

    private static List<String> labels(Group group) {
        return group.members().stream().map(Member::label).toList();
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return assertThrows(IllegalArgumentException.class, action).getMessage();
    }
}
