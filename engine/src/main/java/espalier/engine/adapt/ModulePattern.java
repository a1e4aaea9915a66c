package espalier.engine.adapt;

import espalier.engine.weights.CheckpointException;

/// A key of PEFT's `rank_pattern` or `alpha_pattern`: a regular expression `KEY` that PEFT matches as `(.*\.)?(KEY)$`
/// against a module's path. Read are module names and ends of them, with or without `\` before their dots, and with or
/// without `^` in front; whatever else regular expressions can say is refused, so that none is ever run.
///
/// @param name the path or its end
/// @param anchored whether it is the whole path
record ModulePattern(String name, boolean anchored) {
    /// @param label the file and field, for messages
    /// @param key as the file has it
    /// @return what it means
    /// @throws CheckpointException naming the key if it is anything else
    static ModulePattern parse(String label, String key) {
        boolean anchored = key.startsWith("^");
        String name = key.substring(anchored ? 1 : 0).replace("\\.", ".");
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean isPlain = c < 128 && (c == '.' || c == '_' || Character.isLetterOrDigit(c));
            if (!isPlain) {
                throw refused(label, key);
            }
        }
        if (name.isEmpty() || name.startsWith(".") || name.endsWith(".") || name.contains("..")) {
            throw refused(label, key);
        }
        return new ModulePattern(name, anchored);
    }

    private static CheckpointException refused(String label, String key) {
        return new CheckpointException(label + ": the key \"" + key
                + "\" is not a module name; other regular expressions are not supported");
    }

    /// @param module path of a module
    /// @return a key that matches it and no other
    static String exactly(String module) {
        return module.replace(".", "\\.");
    }

    /// @param module path of a module
    /// @return whether it is meant
    boolean matches(String module) {
        return module.equals(name) || !anchored && module.endsWith("." + name);
    }
}
