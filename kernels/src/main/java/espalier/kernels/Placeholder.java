package espalier.kernels;

final class Placeholder {}
