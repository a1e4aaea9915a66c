package espalier.eval.data;

import espalier.engine.train.Example;
import espalier.tokenizer.EncodeOptions;
import espalier.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;

/// Texts to token ids, with the special tokens that training puts around them.
final class RowEncoder {
    private final Tokenizer tokenizer;
    private final TrainingFile.Options options;
    private final EncodeOptions document;
    private final EncodeOptions instruction;
    private final boolean templateEnds;

    RowEncoder(Tokenizer tokenizer, TrainingFile.Options options) {
        this.tokenizer = tokenizer;
        this.options = options;
        this.document = new EncodeOptions(false, options.recogniseSpecials());
        this.instruction = new EncodeOptions(true, options.recogniseSpecials());
        int[] empty = tokenizer.encode("", instruction);
        int begins = tokenizer.addsBeginToken() ? 1 : 0;
        this.templateEnds = empty.length > begins && isEnd(empty[empty.length - 1]);
    }

    private boolean isEnd(int id) {
        OptionalInt end = options.endId();
        return end.isPresent() && end.getAsInt() == id;
    }

    /// @return the text between begin and end token, where they are known; one token that is both only ends a text, and
    ///     so begins the one that is joined to it
    int[] document(String text) {
        int[] ids = tokenizer.encode(text, document);
        OptionalInt begin = options.beginId().equals(options.endId()) ? OptionalInt.empty() : options.beginId();
        int begins = begin.isPresent() ? 1 : 0;
        int ends = options.endId().isPresent() ? 1 : 0;
        int[] around = new int[begins + ids.length + ends];
        System.arraycopy(ids, 0, around, begins, ids.length);
        begin.ifPresent(id -> around[0] = id);
        options.endId().ifPresent(id -> around[around.length - 1] = id);
        return around;
    }

    /// As Alpaca-LoRA's `generate_and_tokenize_prompt`: the tokens of the prompt alone are counted, although they may
    /// differ from those that the whole text begins with where the two meet.
    ///
    /// @return empty if no label is left
    Optional<Example> instruction(TrainingRow.Instruction row) {
        String prompt = options.prompt().prompt(row.instruction(), row.input());
        int[] ids = ended(encode(options.prompt().complete(prompt, row.answer())));
        if (ids.length == 0) {
            return Optional.empty();
        }
        Example example = new Example(ids, options.trainOnInputs() ? 0 : encode(prompt).length);
        return example.labels() == 0 ? Optional.empty() : Optional.of(example);
    }

    /// Cut to the longest length; without the end token that some templates put after each text.
    private int[] encode(String text) {
        int[] ids = tokenizer.encode(text, instruction);
        int length = templateEnds ? ids.length - 1 : ids.length;
        return Arrays.copyOf(ids, Math.min(length, options.maxLength()));
    }

    private int[] ended(int[] ids) {
        OptionalInt end = options.endId();
        if (end.isEmpty() || ids.length == options.maxLength() || ids.length > 0 && isEnd(ids[ids.length - 1])) {
            return ids;
        }
        int[] longer = Arrays.copyOf(ids, ids.length + 1);
        longer[ids.length] = end.getAsInt();
        return longer;
    }
}
