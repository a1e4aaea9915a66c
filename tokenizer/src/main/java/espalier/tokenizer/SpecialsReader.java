package espalier.tokenizer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// Reads what concerns begin and end tokens: `post_processor` of `tokenizer.json` and, if there is one,
/// `tokenizer_config.json`.
final class SpecialsReader {
    private final Vocabulary vocabulary;

    SpecialsReader(Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
    }

    Tokenizer.Specials read(JsonField postProcessor, Path configFile) throws IOException {
        Optional<Template> template = template(postProcessor);
        OptionalInt bos = OptionalInt.empty();
        OptionalInt eos = OptionalInt.empty();
        Template byFlags = Template.EMPTY;
        if (Files.exists(configFile)) {
            JsonField config = JsonField.read(configFile, TokenizerReader.FILE_LIMIT);
            checkAddedTokens(config.get("added_tokens_decoder"));
            bos = token(config.get("bos_token"));
            eos = token(config.get("eos_token"));
            byFlags = new Template(ids(config, "bos", bos), ids(config, "eos", eos));
        }
        Template used = template.orElse(byFlags);
        int[] prefix = used.prefix();
        int[] suffix = used.suffix();
        return new Tokenizer.Specials(
                bos.isEmpty() && prefix.length > 0 ? OptionalInt.of(prefix[0]) : bos,
                eos.isEmpty() && suffix.length > 0 ? OptionalInt.of(suffix[suffix.length - 1]) : eos, used);
    }

    /// The token that `add_bos_token` or `add_eos_token` asks for.
    private static int[] ids(JsonField config, String name, OptionalInt id) throws TokenizerFormatException {
        JsonField add = config.get("add_" + name + "_token");
        if (!add.flag(false)) {
            return new int[0];
        }
        return new int[] {id.orElseThrow(() -> add.error("is true, but there is no " + name + "_token"))};
    }

    /// A token given by its text, or by an object with its text as `content`.
    private OptionalInt token(JsonField field) throws TokenizerFormatException {
        if (field.isAbsent()) {
            return OptionalInt.empty();
        }
        JsonField content = field.isObject() ? field.get("content") : field;
        String text = content.text();
        return OptionalInt.of(vocabulary.id(text).orElseThrow(
                () -> content.error(JsonField.quote(text) + " is not a token of tokenizer.json")));
    }

    private void checkAddedTokens(JsonField tokens) throws TokenizerFormatException {
        if (tokens.isAbsent()) {
            return;
        }
        for (Map.Entry<String, JsonField> token : tokens.members().entrySet()) {
            JsonField content = token.getValue().object().get("content");
            String text = content.text();
            OptionalInt id = vocabulary.id(text);
            if (id.isEmpty() || !token.getKey().equals(Integer.toString(id.getAsInt()))) {
                throw content.error(JsonField.quote(text) + (id.isEmpty() ? " is not a token of tokenizer.json"
                        : " has id " + id.getAsInt() + " in tokenizer.json"));
            }
        }
    }

    /// The template of a post-processor; `ByteLevel` changes offsets only, so it is none.
    private Optional<Template> template(JsonField field) throws TokenizerFormatException {
        if (field.isAbsent()) {
            return Optional.empty();
        }
        String type = PipelineReader.type(field);
        switch (type) {
            case "ByteLevel" -> {
                return Optional.empty();
            }
            case "TemplateProcessing" -> {
                return Optional.of(single(field));
            }
            case "Sequence" -> {
                Optional<Template> found = Optional.empty();
                for (JsonField step : field.get("processors").elements()) {
                    Optional<Template> template = template(step);
                    if (found.isPresent() && template.isPresent()) {
                        throw step.error("a second TemplateProcessing is not supported");
                    }
                    found = found.or(() -> template);
                }
                return found;
            }
            default -> throw field.get("type").unsupported("post-processor", type);
        }
    }

    /// The template of a single text; that of a pair of texts is not used.
    private Template single(JsonField field) throws TokenizerFormatException {
        JsonField single = field.get("single");
        IdList prefix = new IdList();
        IdList suffix = new IdList();
        int texts = 0;
        for (JsonField part : single.elements()) {
            if (part.object().get("SpecialToken").isAbsent()) {
                JsonField id = part.get("Sequence").object().get("id");
                if (!id.text().equals("A")) {
                    throw id.unsupported("sequence", id.text());
                }
                texts++;
            } else {
                JsonField name = part.get("SpecialToken").object().get("id");
                (texts == 0 ? prefix : suffix).addAll(specialToken(name, field.get("special_tokens").object()));
            }
        }
        if (texts != 1) {
            throw single.error("has the text " + texts + " times, expected once");
        }
        return new Template(prefix.toArray(), suffix.toArray());
    }

    private int[] specialToken(JsonField name, JsonField specialTokens) throws TokenizerFormatException {
        JsonField token = specialTokens.get(name.text());
        if (token.isAbsent()) {
            throw name.error(JsonField.quote(name.text()) + " is not in special_tokens");
        }
        List<JsonField> ids = token.object().get("ids").elements();
        List<JsonField> tokens = token.get("tokens").elements();
        if (ids.size() != tokens.size()) {
            throw token.error("has " + ids.size() + " ids and " + tokens.size() + " tokens");
        }
        IdList found = new IdList();
        for (int i = 0; i < ids.size(); i++) {
            int id = ids.get(i).integer(0, vocabulary.size() - 1);
            if (!vocabulary.text(id).equals(tokens.get(i).text())) {
                throw tokens.get(i).error(JsonField.quote(tokens.get(i).text()) + " is not the text of id " + id
                        + ", which is " + JsonField.quote(vocabulary.text(id)));
            }
            found.add(id);
        }
        return found.toArray();
    }
}
