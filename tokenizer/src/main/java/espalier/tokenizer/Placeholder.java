package espalier.tokenizer;

final class Placeholder {}
