package espalier.cli;

import java.io.File;

/// What a user types to start this program, for examples that can be copied.
final class Invocation {
    private static final String PLAIN = "[A-Za-z0-9_./:=+,@%-]+";

    private Invocation() {}

    /// @return e.g. `./espalier`, or `java -jar espalier.jar`
    static String command() {
        // The script ./espalier tells how it was called.
        String script = System.getenv("ESPALIER_COMMAND");
        if (script != null) {
            return quoted(script);
        }
        String classPath = System.getProperty("java.class.path", "");
        boolean isJar = classPath.endsWith(".jar") && !classPath.contains(File.pathSeparator);
        return isJar ? "java -jar " + quoted(classPath) : "espalier";
    }

    /// @param argument of a command
    /// @return the same for a POSIX shell
    static String quoted(String argument) {
        return argument.matches(PLAIN) ? argument : "'" + argument.replace("'", "'\\''") + "'";
    }
}
