/// The command line. [Main] lists the subcommands, one small class each: [PerplexityCommand], [GenerateCommand],
/// [InspectCommand], [InitCommand], [TokenizerTrainCommand] (within [TokenizerCommand]), [PruneCommand],
/// [FinetuneCommand], [PretrainCommand], [BenchCommand], [DemoCommand]. What they share is in [JobCommand] (result as
/// text or JSON, logging), [ModelOptions] (backend, threads) and [RunningModel]; [PrefixOption] and [ModelPrefix] are
/// what is put before the input of a model that carries a prompt.
///
/// The options of [PruneCommand] come in groups: [SizeOptions], [WidthOptions], [SelectionOptions], [ScoringOptions];
/// [PruneProgress] and [PruneResult] are what it shows. [Recovery] is its `--recover`; it and [FinetuneCommand] train by
/// [AdapterTraining], with [AdapterOptions]. They and [PretrainCommand] have [TrainingOptions] and [RunOptions], read
/// [PreparedData], and train in a [TrainingRun], shown by a [TrainingMeter]; [InitCommand] and [PretrainCommand] begin
/// with a [NewModel]. The page that a run leaves is made in [espalier.cli.report].
///
/// [DemoCommand] is `prune --recover` on the [EmbeddedModel]; [DecodeTurns] and [DemoTable] show what became of it.
///
/// Flags, environment and system properties are read here and handed down as records.
package espalier.cli;
