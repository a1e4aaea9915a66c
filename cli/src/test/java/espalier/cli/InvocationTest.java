package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class InvocationTest {
    @Test
    void whatAShellWouldChangeIsQuoted() {
        assertEquals("../my_models/x-1.5", Invocation.quoted("../my_models/x-1.5"));
        assertEquals("'my models'", Invocation.quoted("my models"));
        assertEquals("'it'\\''s $HOME'", Invocation.quoted("it's $HOME"));
        assertEquals("''", Invocation.quoted(""));
    }
}
