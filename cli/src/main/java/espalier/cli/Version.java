package espalier.cli;

import picocli.CommandLine.IVersionProvider;

/// The version, as the jar's manifest has it.
final class Version implements IVersionProvider {
    static String number() {
        String version = Version.class.getPackage().getImplementationVersion();
        return version == null ? "(not started from the jar)" : version;
    }

    @Override
    public String[] getVersion() {
        return new String[] {
            "espalier " + number(),
            "Java %s (%s)".formatted(System.getProperty("java.version"), System.getProperty("java.vendor")),
        };
    }
}
