/// Training, for every method: what varies is what is trained and which loss is taken.
///
/// An [Example] is a sequence with its labels, [Examples] are a data set. A [RunState] is all that a run needs to go on
/// after a stop, a [RunFolder] is the directory that it is kept in.
package espalier.engine.train;
