/// The command line. [Main] lists the subcommands, one small class each: [PerplexityCommand], [GenerateCommand],
/// [InspectCommand], [InitCommand], [TokenizerTrainCommand] (within [TokenizerCommand]), [PruneCommand],
/// [FinetuneCommand], [PretrainCommand], [BenchCommand], [DemoCommand]. What they share is in [JobCommand] (result as
/// text or JSON, logging), [ModelOptions] (backend, threads) and [RunningModel]; [PrefixOption] and [ModelPrefix] are
/// what is put before the input of a model that carries a prompt.
///
/// Every command first checks all that it was given, then does its [Work]: [Errors] takes an [IllegalArgumentException]
/// for bad input before it, and for a [DefectException] in it.
///
/// [PruneCommand] is one of three by `--method`, with [PruneJob] in common: [LlmPrunerCommand], whose options come in
/// groups ([SizeOptions], [WidthOptions], [SelectionOptions], [ScoringOptions]) and which shows [PruneProgress] and
/// [PruneResult]; and [NutePruneCommand] and [CompressoCommand], which are [MaskCommand]s with [MaskOptions] and
/// [TeacherOptions] that end in a [MaskRun]. [Recovery] is `--recover` of them all; it and [FinetuneCommand] train by
/// [AdapterTraining], with [AdapterOptions]. All but LLM-Pruner by itself, and [PretrainCommand], have
/// [TrainingOptions] and [RunOptions], read [PreparedData], and train in a [TrainingRun], shown by a [TrainingMeter];
/// what a command has of another one under other names or with other defaults it gets by [BorrowedOptions]. What range
/// a number of an option has is a [NumberRange].
/// [InitCommand] and [PretrainCommand] begin with a [NewModel]. The page that a run leaves is made in
/// [espalier.cli.report].
///
/// [DemoCommand] is `prune --recover` on the [EmbeddedModel]; [DecodeTurns] and [DemoTable] show what became of it.
///
/// Flags, environment and system properties are read here and handed down as records.
package espalier.cli;
