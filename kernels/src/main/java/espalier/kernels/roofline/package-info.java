/// What a machine can do and how much of it the kernels use: the roofline model (Williams, Waterman and Patterson 2009,
/// "Roofline: an insightful visual performance model for multicore architectures",
/// <https://doi.org/10.1145/1498765.1498785>).
///
/// Start at [Roofline], which measures everything into a [RooflineReport]. [Roof] holds the two ceilings of a thread
/// count, [Work] the operations and bytes of each kernel with their formulas, [RooflineShape] the widths that are run.
package espalier.kernels.roofline;
