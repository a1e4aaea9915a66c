package espalier.kernels;

/// A sum of squared differences and how many entries it is over.
///
/// @param sum float64
/// @param count entries that count
public record SquaredError(double sum, long count) {}
