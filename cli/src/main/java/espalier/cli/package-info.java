/// The command line: [Main] lists the subcommands, one small class each. Flags, environment and system properties are
/// read here and handed down as records.
package espalier.cli;
