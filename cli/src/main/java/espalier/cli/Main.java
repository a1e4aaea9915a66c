package espalier.cli;

/// The `espalier` command.
public final class Main {
    private Main() {}

    /// Runs one command line.
    ///
    /// @param arguments the command line
    /// @return the exit code: 0 done, 1 the job failed, 2 bad input
    public static int run(String[] arguments) {
        System.out.println("espalier");
        return 0;
    }
}
