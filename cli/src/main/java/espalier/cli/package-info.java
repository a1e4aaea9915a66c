/// The command line. [Main] lists the subcommands, one small class each: [PerplexityCommand], [GenerateCommand],
/// [InspectCommand], [InitCommand]. What they share is in [JobCommand] (result as text or JSON, logging),
/// [ModelOptions] (backend, threads) and [RunningModel].
///
/// Flags, environment and system properties are read here and handed down as records.
package espalier.cli;
