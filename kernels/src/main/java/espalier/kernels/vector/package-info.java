/// The JDK Vector API backend: [VectorOps] names the kernel families, one small class each.
package espalier.kernels.vector;
