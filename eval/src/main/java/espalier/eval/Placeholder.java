package espalier.eval;

final class Placeholder {}
