package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// A virtual machine of its own, for what is chosen once per process.
final class ChildProcess {
    private ChildProcess() {}

    /// @param main class on this process's class path
    /// @param argument of its main method
    /// @param options of the virtual machine
    /// @return everything it printed, without the note that a module is incubating
    static String run(Class<?> main, String argument, String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED",
                "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(options));
        command.addAll(List.of(main.getName(), argument));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(10, TimeUnit.SECONDS), "the process did not end");
        return output.replaceFirst("WARNING: Using incubator modules: jdk.incubator.vector\n", "");
    }
}
