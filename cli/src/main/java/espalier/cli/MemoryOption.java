package espalier.cli;

import picocli.CommandLine.Option;

/// How much memory a plan may take.
final class MemoryOption {
    @Option(
            names = "--memory",
            paramLabel = "BYTES",
            description = "Most memory that may be used, e.g. 6G (default: what the machine has).",
            converter = ByteCount.class)
    private Long memory;

    /// @return bytes
    long bytes() {
        return memory == null ? RunMemory.available() : memory;
    }
}
