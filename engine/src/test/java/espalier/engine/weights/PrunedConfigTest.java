package espalier.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PrunedConfigTest {
    private static final LayerShape NARROW = new LayerShape(new int[] {1, 1}, 2, 5);

    @Test
    void alikeLayersGiveAPlainConfiguration() throws IOException {
        ObjectNode source = SmallModel.config(c -> {
            c.put("unknown_field", "kept");
            c.putObject("espalier").put("format", 1).putArray("layers").addObject().put("head_dim", 2).put("ffn", 3)
                    .putArray("queries_per_kv").add(1);
            c.put("num_hidden_layers", 1);
        });
        ObjectNode json = pruned(source, List.of(NARROW, NARROW, NARROW));
        assertFalse(json.has("espalier"));
        assertEquals("kept", json.get("unknown_field").textValue());
        assertEquals(3, json.get("num_hidden_layers").intValue());
        assertEquals(2, json.get("num_attention_heads").intValue());
        assertEquals(2, json.get("num_key_value_heads").intValue());
        assertEquals(2, json.get("head_dim").intValue());
        assertEquals(5, json.get("intermediate_size").intValue());
        assertEquals(6, json.get("hidden_size").intValue());
        assertEquals(9, json.get("vocab_size").intValue());
        assertEquals(7.5e-6, json.get("rms_norm_eps").doubleValue());
        assertEquals("bfloat16", json.get("dtype").textValue());
        assertEquals("bfloat16", json.get("torch_dtype").textValue());
        PretrainedConfig read = PretrainedConfig.parse(json, "config.json");
        assertEquals(List.of(NARROW, NARROW, NARROW), read.layers());
        assertEquals(Optional.of(StoredType.BF16), read.dtype());
    }

    @Test
    void differentLayersAreListed() throws IOException {
        List<LayerShape> layers = List.of(
                new LayerShape(new int[] {3}, 2, 5),
                new LayerShape(new int[] {1, 2}, 4, 0),
                new LayerShape(new int[0], 2, 7));
        ObjectNode json = pruned(SmallModel.config(), layers);
        assertEquals(
                SmallModel.json("""
                        {"format": 1, "layers": [{"queries_per_kv": [3], "head_dim": 2, "ffn": 5},
                         {"queries_per_kv": [1, 2], "head_dim": 4, "ffn": 0},
                         {"queries_per_kv": [], "head_dim": 2, "ffn": 7}]}""").toString(),
                json.get("espalier").toString());
        PretrainedConfig read = PretrainedConfig.parse(json, "config.json");
        assertEquals(layers, read.layers());
        assertEquals(2, read.kvHeads());
        assertEquals(6, read.heads());
        assertEquals(4, read.headDim());
        assertEquals(7, read.intermediateSize());
    }

    @Test
    void unequalGroupsAreListedThoughLayersAreAlike() throws IOException {
        List<LayerShape> layers = List.of(new LayerShape(new int[] {1, 2}, 2, 5));
        ObjectNode json = pruned(SmallModel.config(), layers);
        assertTrue(json.has("espalier"));
        assertEquals(layers, PretrainedConfig.parse(json, "config.json").layers());
    }

    @Test
    void nothingLeftIsStillAConfiguration() throws IOException {
        List<LayerShape> layers = List.of(new LayerShape(new int[0], 2, 0));
        PretrainedConfig read = PretrainedConfig.parse(pruned(SmallModel.config(), layers), "config.json");
        assertEquals(layers, read.layers());
        assertEquals(1, read.heads());
        assertEquals(1, read.intermediateSize());
    }

    @Test
    void oldRopeFieldsGainNewOnes() throws IOException {
        ObjectNode plain = pruned(SmallModel.config(), List.of(NARROW));
        assertEquals("{\"rope_theta\":10000.0,\"rope_type\":\"default\"}", plain.get("rope_parameters").toString());
        assertTrue(plain.get("rope_scaling").isNull());
        assertEquals(10000.0, plain.get("rope_theta").doubleValue());
        ObjectNode scaled = SmallModel.json("{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}}");
        ObjectNode json = pruned(SmallModel.config(c -> c.setAll(scaled)), List.of(NARROW));
        assertEquals(
                "{\"rope_theta\":10000.0,\"rope_type\":\"linear\",\"factor\":2.0}",
                json.get("rope_parameters").toString());
        assertEquals("{\"type\":\"linear\",\"factor\":2.0}", json.get("rope_scaling").toString());
    }

    @Test
    void newRopeFieldsGainOldOnes() throws IOException {
        ObjectNode current = SmallModel.json(
                "{\"rope_parameters\": {\"rope_theta\": 500000.0, \"rope_type\": \"llama3\", \"factor\": 8.0}}");
        ObjectNode json = pruned(
                SmallModel.config(c -> {
                    c.remove("rope_theta");
                    c.setAll(current);
                }),
                List.of(NARROW));
        assertEquals(500000.0, json.get("rope_theta").doubleValue());
        assertEquals("{\"rope_type\":\"llama3\",\"factor\":8.0}", json.get("rope_scaling").toString());
        assertEquals(current.get("rope_parameters"), json.get("rope_parameters"));
    }

    @Test
    void kindsOfLayersFollowTheirNumber() throws IOException {
        ObjectNode alike = SmallModel.json("{\"layer_types\": [\"full_attention\", \"full_attention\"]}");
        ObjectNode json = pruned(SmallModel.config(c -> c.setAll(alike)), List.of(NARROW));
        assertEquals("[\"full_attention\"]", json.get("layer_types").toString());
        ObjectNode different = SmallModel.json("{\"layer_types\": [\"full_attention\", \"sliding_attention\"]}");
        ObjectNode source = SmallModel.config(c -> c.setAll(different));
        assertEquals(different.get("layer_types"), pruned(source, List.of(NARROW, NARROW)).get("layer_types"));
        var e = assertThrows(CheckpointException.class, () -> pruned(source, List.of(NARROW)));
        assertEquals(
                "layer_types has 2 different entries, which cannot be carried over to 1 layers", e.getMessage());
    }

    @Test
    void resultIsChecked() {
        PrunedConfig small = new PrunedConfig(List.of(NARROW), 6, 2, 1e-5, StoredType.F32, Optional.empty());
        var e = assertThrows(
                CheckpointException.class,
                () -> small.toJson(PretrainedConfig.parse(SmallModel.config(), "config.json")));
        assertEquals("the pruned config.json: eos_token_id is 2, expected an integer from 0 to 1", e.getMessage());
        var none = assertThrows(
                IllegalArgumentException.class,
                () -> new PrunedConfig(List.of(), 6, 9, 1e-5, StoredType.F32, Optional.empty()));
        assertEquals("a model has at least one layer", none.getMessage());
    }

    @Test
    void aPromptGoesBesideTheLayersOrWithoutThem() throws IOException {
        ModelPrompt prompt = new ModelPrompt("collaborative", "###Be\n\"pruned\"\n", "Été");
        String text = "{\"style\":\"collaborative\","
                + "\"prefix\":\"###Be\\n\\\"pruned\\\"\\n\",\"past_prefix\":\"Été\"}";
        ObjectNode alike = pruned(SmallModel.config(), List.of(NARROW, NARROW), Optional.of(prompt));
        assertEquals("{\"format\":1,\"prompt\":" + text + "}", alike.get("espalier").toString());
        PretrainedConfig read = PretrainedConfig.parse(alike, "config.json");
        assertEquals(Optional.of(prompt), read.prompt());
        assertEquals(List.of(NARROW, NARROW), read.layers());
        List<LayerShape> layers = List.of(NARROW, new LayerShape(new int[] {1}, 2, 5));
        PretrainedConfig both = PretrainedConfig.parse(pruned(alike, layers, Optional.of(prompt)), "config.json");
        assertEquals(Optional.of(prompt), both.prompt());
        assertEquals(layers, both.layers());
        assertFalse(pruned(alike, List.of(NARROW), Optional.empty()).has("espalier"));
        assertEquals(Optional.empty(), PretrainedConfig.parse(SmallModel.config(), "config.json").prompt());
    }

    @Test
    void unknownFieldsOfOurOwnObjectStay() throws IOException {
        ObjectNode source = SmallModel.config(c -> c.putObject("espalier")
                .put("note", "kept")
                .put("format", 1)
                .putObject("prompt")
                .put("style", "a")
                .put("prefix", "b")
                .put("past_prefix", "c")
                .put("note", "kept too"));
        Optional<ModelPrompt> prompt = PretrainedConfig.parse(source, "config.json").prompt();
        ObjectNode same = pruned(source, List.of(NARROW), prompt);
        assertEquals(source.get("espalier"), same.get("espalier"));
        ModelPrompt other = new ModelPrompt("a", "b", "d");
        assertEquals(
                "{\"format\":1,\"note\":\"kept\",\"prompt\":"
                        + "{\"style\":\"a\",\"prefix\":\"b\",\"past_prefix\":\"d\"}}",
                pruned(source, List.of(NARROW), Optional.of(other)).get("espalier").toString());
    }

    private static ObjectNode pruned(ObjectNode source, List<LayerShape> layers) {
        return pruned(source, layers, Optional.empty());
    }

    private static ObjectNode pruned(ObjectNode source, List<LayerShape> layers, Optional<ModelPrompt> prompt) {
        return new PrunedConfig(layers, 6, 9, 7.5e-6, StoredType.BF16, prompt)
                .toJson(PretrainedConfig.parse(source, "config.json"));
    }
}
