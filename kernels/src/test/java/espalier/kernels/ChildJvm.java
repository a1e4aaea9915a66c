package espalier.kernels;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Runs all cases in a Java process of its own, for what is fixed when a process starts: the lane width, whether code
/// is compiled.
public final class ChildJvm {
    /// Tails of every lane width, small enough for the interpreter.
    private static final int TOKENS = 3;
    private static final int WIDTH = 207;

    private ChildJvm() {}

    /// @param arguments `compare`: against the reference at all sizes; or `bits` and how often each case is repeated:
    ///     prints a hash of the bits of each case, which must be those of its first run
    public static void main(String[] arguments) {
        try (Ops vector = Backends.open(Backends.Choice.VECTOR, 2)) {
            switch (arguments[0]) {
                case "compare" -> compare(vector);
                case "bits" -> bits(vector, Integer.parseInt(arguments[1]));
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
    }

    private static void compare(Ops vector) {
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1)) {
            int compared = 0;
            for (OpCases.OpCase test : OpCases.all()) {
                for (int[] size : OpCases.SIZES) {
                    Contract.compare(test, size[0], size[1], scalar, vector);
                    compared++;
                }
            }
            System.out.println(compared + " comparisons at " + vector.laneBits() + " bits");
        }
    }

    private static void bits(Ops vector, int repeats) {
        for (OpCases.OpCase test : OpCases.all()) {
            List<Long> first = Contract.bits(test, TOKENS, WIDTH, vector);
            for (int i = 1; i < repeats; i++) {
                if (!Contract.bits(test, TOKENS, WIDTH, vector).equals(first)) {
                    throw new AssertionError(test + " gives other bits in run " + i + " than in the first");
                }
            }
            System.out.println(test + " " + first.hashCode());
        }
    }

    /// @param options options of the Java process
    /// @param arguments arguments of [#main]
    /// @return the lines it printed
    /// @throws AssertionError with its output if it failed
    static List<String> run(List<String> options, List<String> arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), ChildJvm.class.getName()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new AssertionError(String.join(" ", options) + ":\n" + output);
        }
        return output.lines().filter(line -> !line.startsWith("WARNING: Using incubator modules")).toList();
    }
}
