package espalier.engine.masked;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// Something that has more to say of a step than its loss.
interface StepNote {
    /// @param metrics of the step that was done last, added to
    void describe(ObjectNode metrics);

    /// @return the same for people, short
    String inWords();
}
