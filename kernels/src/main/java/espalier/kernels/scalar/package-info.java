/// The reference backend: [ScalarOps], plain loops on one thread, what every other backend is tested against.
///
/// Read it beside the contract; each family is a small class. Values are stored in F32 and computed in float64, so the
/// only rounding is that of the result.
package espalier.kernels.scalar;
