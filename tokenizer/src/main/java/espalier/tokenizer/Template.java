package espalier.tokenizer;

/// The ids that go in front of and behind a text that is encoded with special tokens.
record Template(int[] prefix, int[] suffix) {
    static final Template EMPTY = new Template(new int[0], new int[0]);
}
