package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.weights.ModelPrompt;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class PromptStyleTest {
    private static String whole(PromptStyle style, String instruction, String input, String answer) {
        return style.complete(style.prompt(instruction, input), answer);
    }

    @Test
    void alpacaWithoutAnInput() {
        String prompt = "Below is an instruction that describes a task. Write a response that appropriately completes "
                + "the request.\n\n### Instruction:\nSay hello.\n\n### Response:\n";
        assertEquals(prompt, PromptStyle.ALPACA.prompt("Say hello.", ""));
        assertEquals(prompt + "Hello {input}!", whole(PromptStyle.ALPACA, "Say hello.", "", "Hello {input}!"));
    }

    @Test
    void alpacaWithAnInput() {
        assertEquals(
                "Below is an instruction that describes a task, paired with an input that provides further context. "
                        + "Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n"
                        + "### Input:\n1, 2\n\n\n### Response:\n3",
                whole(PromptStyle.ALPACA, "Add.", "1, 2\n", "3"));
    }

    @Test
    void inlineAlpacaDiffersInItsLastLineFeedOnly() {
        for (String input : List.of("", "1, 2")) {
            assertEquals(
                    PromptStyle.ALPACA.prompt("Add.", input), PromptStyle.ALPACA_INLINE.prompt("Add.", input) + "\n");
        }
        assertTrue(whole(PromptStyle.ALPACA_INLINE, "Add.", "", "3").endsWith("### Response:3"));
    }

    /// The parts of compresso's prompt in their order: what is fixed word by word, what only by its shape is `.+`, a
    /// sentence of one line.
    private static final String SYSTEM = """
            ###System Instruction:
            Attention, LLM! .+:
            Improved Efficiency: .+\\.
            Resource Utilization: .+\\.
            Maintaining Quality: .+\\.
            Iterative Refinement: .+\\.
            Collaboration: .+\\.
            Continuous Learning: .+\\.
            .+\\.

            """;

    @Test
    void theCollaborativePromptHasItsPartsInOrder() {
        String task = ".*\"User Instruction\" follows%s\\..*System Instruction above.* write a response that "
                + "appropriately completes the request\\.\n\n";
        String without = SYSTEM + task.formatted("") + "###User Instruction:\nSay hello\\.\n\n### Response:";
        String with = SYSTEM + task.formatted(", paired with an input that provides further context")
                + "###User Instruction:\nAdd\\.\n\n### Input:\n1, 2\n\n### Response:";
        assertMatches(without, PromptStyle.COLLABORATIVE.prompt("Say hello.", ""));
        assertMatches(with, PromptStyle.COLLABORATIVE.prompt("Add.", "1, 2"));
        assertTrue(whole(PromptStyle.COLLABORATIVE, "Add.", "1, 2", "3").endsWith("\n\n### Response:3"));
    }

    @Test
    void aModelCarriesTheSystemInstructionInBothTenses() {
        ModelPrompt carried = PromptStyle.COLLABORATIVE.carried().orElseThrow();
        assertEquals("collaborative", carried.style());
        assertMatches(SYSTEM + "###Input:\n", carried.prefix());
        assertMatches(SYSTEM + "###Input:\n", carried.pastPrefix());
        assertTrue(carried.pastPrefix().contains("you have been pruned"));
        assertFalse(carried.prefix().contains("have been"));
        String system = carried.prefix().substring(0, carried.prefix().indexOf("###Input:"));
        assertTrue(PromptStyle.COLLABORATIVE.prompt("a", "").startsWith(system), "the same text before instructions");
        assertTrue(PromptStyle.COLLABORATIVE.prompt("a", "b").startsWith(system));
        for (PromptStyle other : List.of(PromptStyle.ALPACA, PromptStyle.ALPACA_INLINE, PromptStyle.PLAIN)) {
            assertEquals(Optional.empty(), other.carried());
        }
    }

    private static void assertMatches(String pattern, String text) {
        assertTrue(Pattern.matches(pattern, text), text);
    }

    @Test
    void plainEndsWhatIsAskedAsTheReleaseDoes() {
        assertEquals("Add the numbers: 1, 2. 3", whole(PromptStyle.PLAIN, "Add the numbers.", "1, 2", "3"));
        assertEquals("Add: 1, 2.", PromptStyle.PLAIN.prompt("Add", "1, 2"));
        assertEquals("What is this? A cat! Yes", whole(PromptStyle.PLAIN, "What is this?", "A cat!", "Yes"));
        assertEquals("Say hello:  Hello", whole(PromptStyle.PLAIN, "Say hello.", "", "Hello"));
        assertEquals("Say hello: ", whole(PromptStyle.PLAIN, "Say hello:", "", ""));
        assertEquals(":  Hello", whole(PromptStyle.PLAIN, "", "", "Hello"));
    }

    @Test
    void namesAreThoseOfTheOptions() {
        assertEquals(Optional.of(PromptStyle.ALPACA), PromptStyle.named("alpaca"));
        assertEquals(Optional.of(PromptStyle.COLLABORATIVE), PromptStyle.named("collaborative"));
        assertEquals(Optional.of(PromptStyle.PLAIN), PromptStyle.named("plain"));
        assertEquals(Optional.empty(), PromptStyle.named("ALPACA"));
        assertEquals(Optional.of(TrainingFormat.JSON_LINES), TrainingFormat.named("json-lines"));
        assertEquals(Optional.empty(), TrainingFormat.named("csv"));
    }
}
