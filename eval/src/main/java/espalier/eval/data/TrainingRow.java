package espalier.eval.data;

import espalier.eval.JsonRow;
import espalier.eval.TextFormatException;
import java.util.List;

/// One row of a JSON file: a text, or an instruction with its answer.
sealed interface TrainingRow {
    /// A document.
    record Text(String text) implements TrainingRow {}

    /// @param instruction what is asked
    /// @param input what it is asked about; empty if there is none
    /// @param answer what is to be learnt
    record Instruction(String instruction, String input, String answer) implements TrainingRow {}

    /// How many names of fields an error lists.
    int MOST_NAMES = 8;

    /// A row with an instruction or an answer is an instruction row, even if it has a text too: published instruction
    /// sets keep the rendered prompt in such a field.
    ///
    /// @throws TextFormatException if it is neither kind of row, or a field is missing, not a string or there twice
    static TrainingRow of(JsonRow row) throws TextFormatException {
        row.requireObject();
        boolean output = row.has("output");
        boolean response = row.has("response");
        if (row.has("instruction") || !row.has("text") && (output || response)) {
            if (output && response) {
                throw new TextFormatException(row.place() + ": has both fields output and response, expected one");
            }
            String input = row.hasValue("input") ? row.string("input") : "";
            return new Instruction(row.string("instruction"), input, row.string(response ? "response" : "output"));
        }
        if (row.has("text")) {
            return new Text(row.string("text"));
        }
        List<String> fields = row.fields();
        String found = String.join(", ", fields.subList(0, Math.min(MOST_NAMES, fields.size())));
        throw new TextFormatException("%s: has %s, expected the field text, or instruction and output (or response)"
                .formatted(
                        row.place(),
                        fields.isEmpty()
                                ? "no fields"
                                : "the fields " + found + (fields.size() > MOST_NAMES ? ", …" : "")));
    }
}
