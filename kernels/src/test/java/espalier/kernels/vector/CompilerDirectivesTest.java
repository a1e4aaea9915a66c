package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.List;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

class CompilerDirectivesTest {
    @Test
    void theVirtualMachineHoldsTheDirective() throws JMException {
        assertTrue(Lanes.COUNT > 1, "the lanes are initialised");
        assertTrue(CompilerDirectives.installed());
        Object directives = ManagementFactory.getPlatformMBeanServer().invoke(
                new ObjectName("com.sun.management:type=DiagnosticCommand"), "compilerDirectivesPrint",
                new Object[0], new String[0]);
        for (Class<?> tiles : List.of(GemmShortTiles.class, GemmMiddleTiles.class, GemmTallTiles.class)) {
            String match = tiles.getName().replace('.', '/') + ".*";
            assertTrue(directives.toString().contains(match), directives::toString);
        }
        assertTrue(directives.toString().contains("Exclude:true"), directives::toString);
    }

    @Test
    void everyLoopNamedExists() {
        CompilerDirectives.LOOPS.forEach((type, methods) -> methods.forEach(method -> assertTrue(
                Arrays.stream(type.getDeclaredMethods()).anyMatch(declared -> declared.getName().equals(method)),
                () -> type + " has no method " + method)));
    }
}
