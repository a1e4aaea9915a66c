package espalier.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// Spells a trained vocabulary as the files of Hugging Face tokenizers and transformers.
final class TokenizerJson {
    private static final JsonMapper MAPPER = JsonMapper.builder().build();

    private final TrainedBpe bpe;
    private final SpecialTokens specials;

    TokenizerJson(TrainedBpe bpe) {
        this.bpe = bpe;
        this.specials = bpe.settings().specials();
    }

    SequencedMap<String, String> files() {
        SequencedMap<String, String> files = new LinkedHashMap<>();
        files.put("tokenizer.json", text(tokenizer()));
        files.put("tokenizer_config.json", text(config()));
        files.put("special_tokens_map.json", text(roles(MAPPER.createObjectNode())));
        return files;
    }

    private ObjectNode tokenizer() {
        ObjectNode root = MAPPER.createObjectNode();
        root.put("version", "1.0");
        root.putNull("truncation");
        root.putNull("padding");
        ArrayNode added = root.putArray("added_tokens");
        List<String> tokens = specials.inOrder();
        for (int id = 0; id < tokens.size(); id++) {
            added.addObject().put("id", id).setAll(token(tokens.get(id)));
        }
        root.putNull("normalizer");
        root.set("pre_tokenizer", preTokenizer());
        root.set("post_processor", bpe.settings().addBos() ? beginTemplate() : byteLevel());
        root.set("decoder", byteLevel());
        root.set("model", model());
        return root;
    }

    private static ObjectNode token(String content) {
        return MAPPER.createObjectNode()
                .put("content", content)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", true);
    }

    private ObjectNode preTokenizer() {
        return switch (bpe.settings().numbers()) {
            case INDIVIDUAL -> {
                ObjectNode sequence = MAPPER.createObjectNode().put("type", "Sequence");
                ArrayNode steps = sequence.putArray("pretokenizers");
                steps.addObject().put("type", "Digits").put("individual_digits", true);
                steps.add(byteLevel());
                yield sequence;
            }
            case RUNS -> byteLevel();
        };
    }

    /// The same fields for all three of its roles, as in the reference; each role reads those that concern it.
    private static ObjectNode byteLevel() {
        return MAPPER.createObjectNode()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", true);
    }

    private ObjectNode beginTemplate() {
        ObjectNode template = MAPPER.createObjectNode().put("type", "TemplateProcessing");
        ArrayNode single = template.putArray("single");
        addPart(single, "SpecialToken", specials.bos(), 0);
        addPart(single, "Sequence", "A", 0);
        ArrayNode pair = template.putArray("pair");
        addPart(pair, "SpecialToken", specials.bos(), 0);
        addPart(pair, "Sequence", "A", 0);
        addPart(pair, "SpecialToken", specials.bos(), 1);
        addPart(pair, "Sequence", "B", 1);
        ObjectNode token = template.putObject("special_tokens").putObject(specials.bos());
        token.put("id", specials.bos());
        token.putArray("ids").add(specials.inOrder().indexOf(specials.bos()));
        token.putArray("tokens").add(specials.bos());
        return template;
    }

    private static void addPart(ArrayNode parts, String kind, String id, int type) {
        parts.addObject().putObject(kind).put("id", id).put("type_id", type);
    }

    private ObjectNode model() {
        ObjectNode model = MAPPER.createObjectNode().put("type", "BPE");
        model.putNull("dropout");
        model.putNull("unk_token");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        model.put("fuse_unk", false);
        model.put("byte_fallback", false);
        model.put("ignore_merges", false);
        List<String> entries = bpe.entries();
        ObjectNode vocab = model.putObject("vocab");
        for (int id = 0; id < entries.size(); id++) {
            vocab.put(entries.get(id), id);
        }
        // As one text each, which every version reads; the spelling of bytes has no blank.
        ArrayNode merges = model.putArray("merges");
        bpe.merges().forEach(merge -> merges.add(entries.get(merge.left()) + " " + entries.get(merge.right())));
        return model;
    }

    private ObjectNode config() {
        ObjectNode config = MAPPER.createObjectNode();
        ObjectNode added = config.putObject("added_tokens_decoder");
        List<String> tokens = specials.inOrder();
        for (int id = 0; id < tokens.size(); id++) {
            added.set(Integer.toString(id), token(tokens.get(id)));
        }
        roles(config);
        config.put("clean_up_tokenization_spaces", false);
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        return config;
    }

    private ObjectNode roles(ObjectNode into) {
        into.put("bos_token", specials.bos());
        into.put("eos_token", specials.eos());
        if (!specials.more().isEmpty()) {
            ArrayNode more = into.putArray("additional_special_tokens");
            specials.more().forEach(more::add);
        }
        return into;
    }

    /// Indented as the Python tools do.
    private static String text(ObjectNode root) {
        DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(Separators.createDefaultInstance()
                .withObjectFieldValueSpacing(Separators.Spacing.AFTER));
        printer.indentObjectsWith(indenter);
        printer.indentArraysWith(indenter);
        try {
            return MAPPER.writer(printer).writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of plain values can always be written", e);
        }
    }
}
