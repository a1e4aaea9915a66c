package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Bad input to `prune` by trained masks is refused in one line, before any work, and leaves nothing behind.
class MaskInputGoldenTest {
    private static final String HELP = " (see espalier prune --help)";
    private static final String NUTEPRUNE_HELP = help("nuteprune");
    private static final String COMPRESSO_HELP = help("compresso");

    @TempDir
    private Path folder;

    private Path out;

    @BeforeEach
    void makeAnEmptyFolder() throws IOException {
        out = Files.createDirectory(folder.resolve("results")).resolve("x");
    }

    /// Options differ by method, so whoever gave one is sent to its own.
    private static String help(String method) {
        return " (see espalier prune --method " + method + " --help)";
    }

    private void refused(String message, Object... arguments) throws IOException {
        Cli.run(arguments).refused(message);
        assertEquals(Set.of(), PruneRuns.names(out.getParent()));
    }

    private Object[] masked(String method, Object... more) {
        return all(atSparsity(method, 0.3), List.of(more));
    }

    private List<Object> atSparsity(String method, Object sparsity) {
        return List.of(
                "prune", "--method", method, "--model", PruneRuns.small(), "--out", out, "--data", PruneRuns.story(),
                "--sparsity=" + sparsity, "--max-length", 128);
    }

    private static Object[] all(List<Object> some, List<Object> more) {
        return Stream.concat(some.stream(), more.stream()).toArray();
    }

    @Test
    void optionsOfOtherMethodsAreNamed() throws IOException {
        refused(
                "--method nuteprune does not take --ratio (llm-pruner does), --released-gqa-fold (llm-pruner does),"
                        + " --adapter-steps (compresso does)" + NUTEPRUNE_HELP,
                "prune", "--method", "nuteprune", "--ratio", 0.2, "--released-gqa-fold", "--adapter-steps=3", "--out",
                out, "--uniform");
        refused(
                "--method compresso does not take --masks-only (nuteprune does), --calibration (llm-pruner does)"
                        + COMPRESSO_HELP,
                masked("compresso", "--masks-only", "--calibration", PruneRuns.story()));
        refused(
                "--method llm-pruner does not take --sparsity (nuteprune does), --no-recover (compresso does)" + HELP,
                "prune", "--model", PruneRuns.small(), "--out", out, "--sparsity", 0.2, "--no-recover");
        refused(
                "Unknown option: '--sparsty=0.2'; did you mean --sparsity" + similar() + NUTEPRUNE_HELP,
                "prune", "--method=nuteprune", "--model", PruneRuns.small(), "--out", out, "--data", PruneRuns.story(),
                "--sparsity=0.2", "--sparsty=0.2");
    }

    /// Other suggestions of the parser are its own business.
    private String similar() {
        String last = Cli.run(
                        "prune", "--method=nuteprune", "--model", "m", "--out", out, "--data", "d", "--sparsity=0.2",
                        "--sparsty=0.2")
                .err();
        int start = last.indexOf("--sparsity") + "--sparsity".length();
        return last.substring(start, last.indexOf(" (see"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"nuteprune", "compresso"})
    void sparsitiesThatCannotBe(String method) throws IOException {
        for (String wrong : List.of("0", "0.0", "-0.1", "1", "1.5", "NaN")) {
            refused(
                    "Invalid value for option '--sparsity': '" + wrong + "' is out of range, expected a number in (0, 1)"
                            + help(method),
                    atSparsity(method, wrong).toArray());
        }
        refused("target sparsity is 0.999, but these gates reach 0 to 0.997779", atSparsity(method, 0.999).toArray());
        refused(
                "Missing required option: '--sparsity=S'" + help(method),
                "prune", "--method", method, "--model", PruneRuns.small(), "--out", out, "--data", PruneRuns.story());
        refused(
                "Missing required option: '--data=FILE'" + help(method),
                "prune", "--method", method, "--model", PruneRuns.small(), "--out", out, "--target-prunable", 0.2);
    }

    @Test
    void whatTheGatesReachDependsOnThem() throws IOException {
        // Of the heads alone: 5 layers with 64 * (64 + 32) * 2 of 45,312 parameters each, at most 95.3% of them.
        double share = 2.0 * 64 * (64 + 32) / (2.0 * 64 * (64 + 32) + 3 * 64 * 172) * 0.9528702;
        refused(
                "target sparsity is 0.3, but these gates reach 0 to %.6f".formatted(share),
                masked("nuteprune", "--mask", "heads"));
    }

    @ParameterizedTest
    @CsvSource({
        "--mask, 'heads,layers', '''layers'' is nothing that gets masks; there are heads, ffn and hidden'",
        "--gqa, one, '''one'' is not a unit of heads; there are group and head'",
        "--layer-gates, mlp, '''mlp'' is not a kind of gates over layers; there are none, layer and attention-mlp'",
        "--sparsity-schedule, square, '''square'' is not a schedule of the sparsity; there are linear and cubic'",
        "--teacher, none, '''none'' is not a choice of teachers; there are intact, progressive and numerous'",
        "--layers, 3:1, layer range 3:1 ends before it starts",
        "--mask-lr, 0, '''0'' is out of range, expected a number > 0'",
        "--multiplier-lr, -1, '''-1'' is out of range, expected a number > 0'",
        "--mask-lr, NaN, '''NaN'' is out of range, expected a number > 0'",
    })
    void valuesThatAnOptionDoesNotTake(String option, String value, String message) throws IOException {
        Cli run = Cli.run(masked("nuteprune", option, value));
        String line = run.err().lines().reduce((a, b) -> b).orElse("");
        assertEquals(Errors.BAD_INPUT, run.exit());
        assertTrue(line.startsWith("espalier: Invalid value for option '" + option + "'"), line);
        assertTrue(line.endsWith(": " + message + NUTEPRUNE_HELP), line);
    }

    @ParameterizedTest
    @CsvSource({
        "--align, 173, '--align is 173, expected at most 172, the FFN channels of layer 0'",
        "--layers, 0:6, '--layers 0:6 reaches beyond the model''s 5 layers'",
        "--layers, 2:2, 'no layer has gates, the range is 2:2'",
        "--threads, 0, '--threads must be 1 to 1024, got 0'",
        "--threads, 1025, '--threads must be 1 to 1024, got 1025'",
    })
    void numbersOutOfRange(String option, String value, String message) throws IOException {
        refused(message, masked("nuteprune", option, value));
        refused(message, masked("compresso", option, value));
    }

    @ParameterizedTest
    @CsvSource({
        "--teachers, 0, '--teachers must be positive, got 0; --teacher intact goes without snapshots'",
        "--teacher-interval, 0.3, '--teacher-interval is 0.3, expected a positive number below the sparsity 0.3'",
        "--teacher-interval, NaN, '--teacher-interval is NaN, expected a positive number below the sparsity 0.3'",
    })
    void teachersOutOfRange(String option, String value, String message) throws IOException {
        refused(message, masked("nuteprune", option, value));
    }

    /// Each option by its own name: those of the masks, and those of the recovery with its prefix.
    @ParameterizedTest
    @CsvSource({
        "align, 0, out of range, an integer >= 1",
        "sparsity-warmup, -1, out of range, an integer >= 0",
        "teacher-gap, 0, out of range, an integer >= 1",
        "teacher-gap, 2.5, not a number, an integer >= 1",
        "temperature, 0, out of range, a number > 0",
        "kl-weight, -1, out of range, a number >= 0",
        "layer-weight, NaN, out of range, a number >= 0",
        "lora-rank, 0, out of range, an integer >= 1",
        "lora-alpha, Infinity, out of range, a number > 0",
        "lora-dropout, 1, out of range, a number from 0 to 65535/65536",
        "recover-lora-rank, 0, out of range, an integer >= 1",
        "eval-window, 1, out of range, an integer >= 2",
        "eval-windows, 0, out of range, an integer >= 1",
    })
    void valuesOutOfRange(String option, String value, String why, String expected) throws IOException {
        assertOutOfRange(option, value, why, expected);
    }

    @ParameterizedTest
    @CsvSource({
        "steps, 0, out of range, an integer >= 1",
        "epochs, -3, out of range, an integer >= 1",
        "batch, 0, out of range, an integer >= 1",
        "batch, 99999999999, not a number, an integer >= 1",
        "micro-batch, 0, out of range, an integer >= 1",
        "max-length, 1, out of range, an integer >= 2",
        "lr, -1, out of range, a number >= 0",
        "lr, fast, not a number, a number >= 0",
        "warmup, -1, out of range, an integer >= 0",
        "weight-decay, -0.5, out of range, a number >= 0",
        "clip, NaN, out of range, a number >= 0",
        "validation-rows, -1, out of range, an integer >= 0",
        "eval-every, 0, out of range, an integer >= 1",
        "save-every, 0, out of range, an integer >= 1",
    })
    void valuesOutOfRangeOfBothTrainings(String option, String value, String why, String expected)
            throws IOException {
        assertOutOfRange(option, value, why, expected);
        assertOutOfRange("recover-" + option, value, why, expected);
    }

    @Test
    void valuesThatOnlyOneMethodTakes() throws IOException {
        refused(
                "Invalid value for option '--adapter-steps': '-1' is out of range, expected an integer >= 0"
                        + COMPRESSO_HELP,
                masked("compresso", "--adapter-steps", -1));
    }

    @Test
    void rowsThatAreHeldOutAreFewerThanThereAre() throws IOException {
        Path rows = Files.writeString(folder.resolve("rows.txt"), "One and two.\n");
        refused(
                "--recover-validation-rows is 1, expected fewer than there are sequences in the data: 1",
                masked("nuteprune", "--recover", rows, "--recover-validation-rows", 1));
    }

    private void assertOutOfRange(String option, String value, String why, String expected) throws IOException {
        refused(
                "Invalid value for option '--%s': '%s' is %s, expected %s%s"
                        .formatted(option, value, why, expected, NUTEPRUNE_HELP),
                masked("nuteprune", "--" + option, value));
    }

    @Test
    void theSparsityIsCalledAsItWasGiven() throws IOException {
        refused(
                "Invalid value for option '--sparsity': 'abc' is not a number, expected a number in (0, 1)"
                        + NUTEPRUNE_HELP,
                atSparsity("nuteprune", "abc").toArray());
        List<Object> other = new ArrayList<>(atSparsity("compresso", 0.3));
        other.remove("--sparsity=0.3");
        refused(
                "Invalid value for option '--target-prunable': 'abc' is not a number, expected a number in (0, 1)"
                        + COMPRESSO_HELP,
                all(other, List.of("--target-prunable", "abc")));
        refused(
                "Invalid value for option '--target-prunable': '1.5' is out of range, expected a number in (0, 1)"
                        + COMPRESSO_HELP,
                all(other, List.of("--target-prunable", 1.5)));
    }

    @Test
    void theReferenceKernelsHaveOneThread() throws IOException {
        refused(
                "--threads is 2, --backend scalar has one thread",
                masked("nuteprune", "--backend", "scalar", "--threads", 2));
    }

    @Test
    void unequalLayersCannotBecomeUniform() throws IOException {
        Path model = folder.resolve("unequal");
        assertEquals(0, PruneRuns.prune(model, "--ratio", 0.3, "--layers", "1:3").exit());
        Object[] arguments = masked("nuteprune", "--uniform", "--steps", 3);
        arguments[List.of(arguments).indexOf(PruneRuns.small())] = model;
        refused("uniform widths need a model whose layers have equal shapes", arguments);
    }

    @Test
    void optionsThatNeedOrExcludeOthers() throws IOException {
        refused("--uniform excludes --layers", masked("compresso", "--uniform", "--layers", "0:2"));
        refused(
                "--uniform excludes --layer-gates, which leave some layers wider",
                masked("nuteprune", "--uniform", "--layer-gates", "layer"));
        refused(
                "--layer-gates need --mask with heads and ffn, got --mask hidden,heads",
                masked("compresso", "--mask", "hidden,heads", "--layer-gates", "attention-mlp"));
        refused(
                "--layer-gates-open needs --layer-gates layer or attention-mlp",
                masked("nuteprune", "--layer-gates-open"));
        refused(
                "--sparsity-warmup is 11, expected less than the 10 steps with masks",
                masked("nuteprune", "--steps", 10, "--sparsity-warmup", 11));
        refused(
                "--teachers and --teacher-interval exclude each other",
                masked("nuteprune", "--teachers", 3, "--teacher-interval", 0.1));
        refused(
                "--teacher intact has no snapshots: it excludes --teachers, --teacher-interval and --teacher-gap",
                masked("nuteprune", "--teacher", "intact", "--teacher-gap", 1));
        refused(
                "--kl-weight and --layer-weight are both 0, so nothing would be learnt",
                masked("nuteprune", "--kl-weight", 0, "--layer-weight", 0));
        refused("--steps and --epochs exclude each other", masked("nuteprune", "--steps", 3, "--epochs", 1));
        refused(
                "--recover-steps and --recover-epochs exclude each other",
                masked("compresso", "--recover-steps", 3, "--recover-epochs", 1));
        refused(
                "--sparsity and --target-prunable are the same, expected one of them",
                masked("compresso", "--target-prunable", 0.3));
        refused("--eval-... need --eval-data" + NUTEPRUNE_HELP, masked("nuteprune", "--eval-window", 64));
        refused("--accept-changes needs --resume", masked("nuteprune", "--accept-changes"));
        refused(
                "--recover-... need a recovery: --recover names what it learns from" + NUTEPRUNE_HELP,
                masked("nuteprune", "--recover-steps", 3));
        refused(
                "--no-recover excludes --recover and --recover-..." + COMPRESSO_HELP,
                masked("compresso", "--no-recover", "--recover-steps", 3));
        refused(
                "--no-recover excludes --recover and --recover-..." + COMPRESSO_HELP,
                masked("compresso", "--no-recover", "--recover", PruneRuns.story()));
        String masksOnly = "--masks-only trains no adapters: it excludes --targets, --rank-of, --alpha-of, --lora-...,"
                + " --lr, --schedule, --warmup, --weight-decay and --clip" + NUTEPRUNE_HELP;
        for (List<Object> option : List.<List<Object>>of(
                List.of("--targets", "q"), List.of("--lora-rank", 2), List.of("--lr", 1), List.of("--clip", 0))) {
            refused(masksOnly, all(List.of(masked("nuteprune", "--masks-only")), option));
        }
        refused(
                "the recovery goes on with the adapters of the pruning, their ranks, alphas and dropout:"
                        + " --recover-rank-of, --recover-alpha-of and --recover-lora-... need --masks-only"
                        + NUTEPRUNE_HELP,
                masked("nuteprune", "--recover", PruneRuns.story(), "--recover-lora-rank", 4));
        refused(
                "--method compresso does not take --recover-lora-rank (llm-pruner does)" + COMPRESSO_HELP,
                masked("compresso", "--recover-lora-rank", 4));
    }

    @Test
    void filesThatAreMissingOrInTheWay() throws IOException {
        Path none = folder.resolve("none.txt");
        refused(none + ": no such file or folder", masked("nuteprune", "--recover", none));
        refused(none + ": no such file or folder", masked("compresso", "--eval-data", none));
        refused(none + ": no such file or folder", masked("compresso", "--data", none));
        Path model = PruneRuns.copy(PruneRuns.small(), folder.resolve("model"));
        Path text = Files.copy(PruneRuns.story(), model.resolve("text.txt"));
        Cli.run("prune", "--method", "compresso", "--model", PruneRuns.small(), "--out", model, "--overwrite", "--data",
                        text, "--sparsity", 0.2)
                .refused("--out %s holds --data %s, which would be lost".formatted(model, text));
        Path taken = Files.createDirectory(folder.resolve("taken"));
        Files.writeString(taken.resolve("thesis.txt"), "mine");
        Cli.run("prune", "--method", "nuteprune", "--model", PruneRuns.small(), "--out", taken, "--data",
                        PruneRuns.story(), "--sparsity", 0.2)
                .refused(taken + ": exists already; --overwrite replaces it");
        assertEquals(Set.of("thesis.txt"), PruneRuns.names(taken));
    }

    @ParameterizedTest
    @ValueSource(strings = {"nuteprune", "compresso"})
    void eachMethodHasHelpOfItsOwn(String method) {
        Cli help = Cli.run("prune", "--method", method, "--help");
        assertEquals(0, help.exit(), help.err());
        assertTrue(help.out().contains("  espalier prune --method " + method), help.out());
        assertTrue(help.out().contains("--sparsity-warmup") && !help.out().contains("--ratio"), help.out());
        boolean teaches = method.equals("nuteprune");
        assertEquals(teaches, help.out().contains("--teachers"));
        assertEquals(!teaches, help.out().contains("--adapter-steps"));
        assertFalse(help.out().contains("${"), help.out());
        assertFalse(help.out().contains("default: null"), help.out());
        assertFalse(Cli.run("prune", "--help").out().contains("--sparsity"));
    }
}
