package espalier.kernels.testing;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A Java process of its own, for what is fixed when a process starts: the lane width, whether code is compiled,
/// profiles that no other test has written to, limits of the system.
public final class ChildJvm {
    private ChildJvm() {}

    /// @param wrapper command that the Java command is appended to; empty for none
    /// @param options of the virtual machine
    /// @param main class on this process's class path
    /// @param arguments of its main method
    /// @return what it printed, without the note that a module is incubating
    /// @throws AssertionError with its output if it failed
    public static String run(List<String> wrapper, List<String> options, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        Process process = start(wrapper, options, main, arguments);
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new AssertionError(String.join(" ", options) + ":\n" + output);
        }
        return output.replaceFirst("WARNING: Using incubator modules: jdk.incubator.vector\n", "");
    }

    /// @param wrapper command that the Java command is appended to; empty for none
    /// @param options of the virtual machine
    /// @param main class on this process's class path
    /// @param arguments of its main method
    /// @return the process; what it prints as errors is in its output, after a note that a module is incubating
    public static Process start(List<String> wrapper, List<String> options, Class<?> main, String... arguments)
            throws IOException {
        List<String> command = new ArrayList<>(wrapper);
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }
}
