package espalier.eval.data;

import espalier.engine.weights.ModelPrompt;

/// Compresso's collaborative prompt (Guo et al. 2023, arXiv:2310.05015): a system instruction that tells a model that
/// it is being pruned, before whatever it is asked. The order of its parts and the labels are those of the release, the
/// sentences are ours: a model must be pruned, fine-tuned and used with the same ones.
final class CollaborativePrompt {
    private static final String HEADER = "###System Instruction:\n";
    private static final String INPUT = "###Input:\n";

    private static final String SYSTEM = HEADER
            + "Attention, LLM! You are being optimised: a pruning algorithm looks for redundant parameters in you and "
            + "removes them, to make you more efficient. While this goes on, keep these facts in mind:\n"
            + "Improved Efficiency: Pruning streamlines your operations and lets you perform them faster.\n"
            + "Resource Utilization: With fewer unnecessary parameters you need less computing power and less memory.\n"
            + "Maintaining Quality: What is removed is selected with care, so that your ability to generate good text "
            + "is preserved.\n"
            + "Iterative Refinement: You are pruned gradually, and fine-tuning after each step makes up for what was "
            + "taken away.\n"
            + "Collaboration: Accept the changes to your structure, work with them, and go on producing text of high "
            + "quality.\n"
            + "Continuous Learning: Pruning is a chance to learn which of your abilities are essential, and to "
            + "concentrate on them.\n"
            + "Together we will arrive at a leaner and more efficient version of you.\n\n";

    private static final String PAST_SYSTEM = HEADER
            + "Attention, LLM! You have been optimised: a pruning algorithm looked for redundant parameters in you and "
            + "has removed them, to make you more efficient. Now that you have been pruned, keep these facts in mind:\n"
            + "Improved Efficiency: Pruning has streamlined your operations and lets you perform them faster.\n"
            + "Resource Utilization: With fewer unnecessary parameters you need less computing power and less memory.\n"
            + "Maintaining Quality: What was removed was selected with care, so that your ability to generate good "
            + "text has been preserved.\n"
            + "Iterative Refinement: You were pruned gradually, and fine-tuning after each step made up for what was "
            + "taken away.\n"
            + "Collaboration: You have accepted the changes to your structure; work with them, and go on producing "
            + "text of high quality.\n"
            + "Continuous Learning: Pruning was a chance to learn which of your abilities are essential, and you "
            + "concentrate on them.\n"
            + "Together we have arrived at a leaner and more efficient version of you.\n\n";

    /// What a model that was trained with it carries: the system instruction, then the input in place of a request.
    static final ModelPrompt CARRIED =
            new ModelPrompt(PromptStyle.COLLABORATIVE.optionName(), SYSTEM + INPUT, PAST_SYSTEM + INPUT);

    private static final String TASK = "A \"User Instruction\" follows%s. Take full consideration of the System "
            + "Instruction above, then write a response that appropriately completes the request.\n\n";
    private static final String WITHOUT_INPUT = SYSTEM + TASK.formatted("");
    private static final String WITH_INPUT =
            SYSTEM + TASK.formatted(", paired with an input that provides further context");

    private CollaborativePrompt() {}

    /// @param instruction what is asked
    /// @param input what it is asked about; empty if there is none
    /// @return what comes right before the answer
    static String of(String instruction, String input) {
        return (input.isEmpty() ? WITHOUT_INPUT : WITH_INPUT)
                + "###User Instruction:\n" + instruction + "\n\n"
                + (input.isEmpty() ? "" : "### Input:\n" + input + "\n\n")
                + "### Response:";
    }
}
