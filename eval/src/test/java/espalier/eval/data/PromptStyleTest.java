package espalier.eval.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
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
        assertEquals(Optional.of(PromptStyle.PLAIN), PromptStyle.named("plain"));
        assertEquals(Optional.empty(), PromptStyle.named("ALPACA"));
        assertEquals(Optional.of(TrainingFormat.JSON_LINES), TrainingFormat.named("json-lines"));
        assertEquals(Optional.empty(), TrainingFormat.named("csv"));
    }
}
