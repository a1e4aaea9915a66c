/// Benchmarks.
package espalier.bench;
