/// Numerical kernels behind the backend contract.
package espalier.kernels;
