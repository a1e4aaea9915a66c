/// Training, for every method: what varies is what is trained and which loss is taken.
///
/// Start at [Trainer], the loop. It minimises an [Objective] (of which [NextTokenLoss] is one) over [Examples], steps
/// the parameters with [AdamW] by a [LearningRate], adds the gradients of micro-batches in a [GradientTree], and leaves
/// a [RunState] in a [RunRecord], from which it goes on after a stop. What is trained with other rules than the
/// optimiser's, such as the gates of `espalier.engine.masked`, is [TrainedBeside]. [LoraTraining] trains adapters of a
/// frozen model; [Finetuning] does that in a [RunFolder], the directory on the disk ([RunContents] are its files,
/// [RunMetrics] those that tell of steps), and writes the result around it.
/// [WeightTraining] trains all weights of a model from scratch, and [Pretraining] does that in a run directory.
package espalier.engine.train;
