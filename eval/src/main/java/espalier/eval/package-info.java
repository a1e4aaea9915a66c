/// Measurements.
package espalier.eval;
