package espalier.bench;

final class Placeholder {}
