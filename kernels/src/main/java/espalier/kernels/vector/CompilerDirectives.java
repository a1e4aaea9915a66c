package espalier.kernels.vector;

import static java.util.Map.entry;
import static java.util.stream.Collectors.joining;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import javax.management.JMException;
import javax.management.ObjectName;

/// Tells the virtual machine's compilers how to treat kernels.
///
/// - C1 stays away from the largest ones, the tiles of a matrix product: a large Vector API method that C1 compiles
///   first can stay there for ever, a hundred times slower than what C2 makes of it. The other kernels are small enough
///   for C1, whose code they need in the first second.
/// - A loop of vector operations is compiled on its own, never as part of its callers. C2 stops inlining after some
///   number of nodes in one compilation and boxes the vectors of what is left. Whether a caller is compiled before its
///   loops, and so with all of them inside, depends on how busy the machine is.
///
/// The process adds the directives to itself, which needs no command-line flag but takes the management classes a fifth
/// of a second to load: a thread does it while models are read, and the tiles' classes wait for it, since nothing of a
/// class is compiled before it is initialised.
final class CompilerDirectives {
    /// The loops, by class. Their arguments and results are primitive, so a call costs a nanosecond and boxes nothing.
    static final Map<Class<?>, List<String>> LOOPS = Map.ofEntries(
            entry(AdamWKernels.class, List.of("update", "firstMoment", "secondMoment", "parameter")),
            entry(AttentionKernels.class, List.of("maximum", "exponentials", "hide", "maxima", "scoreGradients")),
            entry(ColumnGates.class, List.of("product", "addProduct", "backward")),
            entry(ColumnSums.class, List.of("addRows", "addRest")),
            entry(Elementwise.class, List.of("fill", "addScaled", "scaled", "addSquare", "sumOfSquares")),
            entry(GemvKernels.class, List.of("dotF32", "dotsF32", "dotBf16", "dotsBf16", "pairUp", "convertF16")),
            entry(Importance.class, List.of(
                    "product", "absoluteProduct", "curvature", "mixed", "absolute", "addBlock")),
            entry(Losses.class, List.of("squaredError", "zeros", "squaredErrorBackward")),
            entry(PackColumns.class, List.of("touch", "splitBf16", "splitF16", "copyF32", "copyBf16", "copyF16")),
            entry(PackRows.class, List.of("blocks", "columnMajor")),
            entry(PackTranspose.class, List.of("oneStep", "twoSteps")),
            entry(PackedWeights.class, List.of("unpackBf16", "unpackF16")),
            entry(RmsNorm.class, List.of("dot", "scale", "addGradient", "addProduct")),
            entry(Rope.class, List.of("rotate")),
            entry(SoftmaxRows.class, List.of(
                    "maxima", "sumBlock", "sumRest", "replaceBlock", "replaceRest", "subtractExponentials",
                    "subtractRest", "differenceBlock", "differenceRest")),
            entry(SwiGlu.class, List.of(
                    "forward", "forwardRest", "forwardGated", "forwardGatedRest", "sigmoids", "sigmoidsRest",
                    "backward", "backwardGated")),
            entry(WeightRows.class, List.of("fromBf16", "fromF16")));

    private static final List<Class<?>> TILES =
            List.of(GemmShortTiles.class, GemmMiddleTiles.class, GemmTallTiles.class, AttentionTiles.class);

    private static final FutureTask<Boolean> INSTALLATION = new FutureTask<>(CompilerDirectives::add);

    private CompilerDirectives() {}

    /// Of two directives that match a method the first one counts.
    static String text() {
        String tiles = TILES.stream().map(c -> quoted("", c, "*")).collect(joining(", "));
        String loops = LOOPS.entrySet().stream()
                .flatMap(e -> e.getValue().stream().map(method -> quoted("-", e.getKey(), method)))
                .sorted()
                .collect(joining(",\n    "));
        return """
                [{
                  match: [%s],
                  c1: { Exclude: true }
                },
                {
                  match: "espalier/*.*",
                  inline: [
                    %s
                  ]
                }]
                """.formatted(tiles, loops);
    }

    private static String quoted(String prefix, Class<?> type, String method) {
        return '"' + prefix + type.getName().replace('.', '/') + '.' + method + '"';
    }

    /// Begins to add the directive, without waiting; further calls do nothing. [Lanes] calls it before any kernel runs.
    static void begin() {
        Thread.ofPlatform().daemon().name("espalier-compiler-directives").start(INSTALLATION);
    }

    /// Waits for the directive.
    ///
    /// @return whether the virtual machine took it; the reason for a refusal is logged at DEBUG
    static boolean installed() {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return INSTALLATION.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    throw new IllegalStateException("adding a compiler directive failed", e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static boolean add() {
        System.Logger log = System.getLogger(CompilerDirectives.class.getName());
        try {
            Path file = Files.createTempFile("espalier-directives", ".json");
            try {
                Files.writeString(file, text());
                Object answer = ManagementFactory.getPlatformMBeanServer().invoke(
                        new ObjectName("com.sun.management:type=DiagnosticCommand"),
                        "compilerDirectivesAdd",
                        new Object[] {new String[] {file.toString()}},
                        new String[] {String[].class.getName()});
                log.log(Level.DEBUG, "tiles are compiled by C2 only, loops on their own: {0}", answer);
                return String.valueOf(answer).contains("directives added");
            } finally {
                Files.delete(file);
            }
        } catch (IOException | JMException | RuntimeException e) {
            log.log(
                    Level.DEBUG,
                    "kernels may be compiled badly, since no compiler directive could be added",
                    e);
            return false;
        }
    }
}
