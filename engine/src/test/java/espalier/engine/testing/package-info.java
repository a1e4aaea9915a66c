/// What engine tests share: golden cases, random models, comparisons in the norm, a sink that keeps whole gradients.
package espalier.engine.testing;
