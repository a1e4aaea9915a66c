package espalier.bench.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Runs kernels on request, a line of text each way, so that another process can measure by turns.
///
/// `prepare NAME NUMBER...` makes operands of a [Kernels] entry, the last number being the threads, and answers `ready`;
/// `run N` runs it N times and answers the seconds of each run; `quit` ends the process. An unknown request ends it
/// with a message.
public final class KernelServer {
    private KernelServer() {}

    /// @param arguments none
    public static void main(String[] arguments) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = System.out;
        Kernels kernels = null;
        for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "prepare" -> {
                    if (kernels != null) {
                        kernels.close();
                    }
                    int[] numbers = Arrays.stream(words, 2, words.length).mapToInt(Integer::parseInt).toArray();
                    kernels = new Kernels(words[1], numbers);
                    out.println("ready");
                }
                case "run" -> out.println(times(kernels.body(), Integer.parseInt(words[1])));
                default -> throw new IllegalArgumentException("unknown request: " + line);
            }
            out.flush();
        }
        if (kernels != null) {
            kernels.close();
        }
    }

    private static String times(Runnable body, int repeats) {
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < repeats; i++) {
            long start = System.nanoTime();
            body.run();
            line.append((System.nanoTime() - start) * 1e-9).append(' ');
        }
        return line.toString();
    }
}
