package espalier.engine.weights;

final class Placeholder {}
