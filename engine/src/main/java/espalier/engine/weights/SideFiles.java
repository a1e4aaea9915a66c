package espalier.engine.weights;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The files of a checkpoint folder that go with any model made from it: tokenizer, chat template, generation
/// settings, licence. Model cards are left out, as they describe another model. Links are followed: a hub cache's
/// folder of a model holds nothing else, and they lead out of it.
final class SideFiles {
    private static final Set<String> NAMES = Set.of(
            "added_tokens.json",
            "chat_template.jinja",
            "chat_template.json",
            "generation_config.json",
            "merges.txt",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json",
            "vocab.json",
            "vocab.txt");
    private static final Pattern LEGAL = Pattern.compile("(licen[cs]e|notice|use_policy)([._-].*)?");
    private static final String TEMPLATES = "additional_chat_templates";

    private SideFiles() {}

    /// @return paths relative to the folder, in order of name
    /// @throws NoSuchFileException naming a file that is a link to nothing, which would be missed later
    static List<Path> find(Path folder) throws IOException {
        List<Path> found = new ArrayList<>();
        for (Path file : list(folder)) {
            String name = file.getFileName().toString();
            boolean isNamed =
                    NAMES.contains(name) || LEGAL.matcher(name.toLowerCase(Locale.ROOT)).matches();
            if (isNamed && Files.notExists(file)) {
                throw new NoSuchFileException(file.toString(), null, "is a link to a file that does not exist");
            }
            if (isNamed && Files.isRegularFile(file)) {
                found.add(folder.relativize(file));
            } else if (name.equals(TEMPLATES) && Files.isDirectory(file)) {
                list(file).stream()
                        .filter(template -> template.toString().endsWith(".jinja") && Files.isRegularFile(template))
                        .map(folder::relativize)
                        .forEach(found::add);
            }
        }
        return List.copyOf(found);
    }

    static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }
}
