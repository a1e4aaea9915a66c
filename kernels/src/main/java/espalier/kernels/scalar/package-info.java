/// The reference backend: [ScalarOps], plain loops on one thread, what every other backend is tested against.
package espalier.kernels.scalar;
