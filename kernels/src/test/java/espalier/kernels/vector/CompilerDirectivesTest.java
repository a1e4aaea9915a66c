package espalier.kernels.vector;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

class CompilerDirectivesTest {
    @Test
    void theVirtualMachineHoldsTheDirective() throws JMException {
        assertTrue(Lanes.COUNT > 1, "the lanes are initialised");
        assertTrue(CompilerDirectives.install());
        Object directives = ManagementFactory.getPlatformMBeanServer().invoke(
                new ObjectName("com.sun.management:type=DiagnosticCommand"), "compilerDirectivesPrint",
                new Object[0], new String[0]);
        assertTrue(directives.toString().contains("espalier/kernels/vector/*.*"), directives::toString);
        assertTrue(directives.toString().contains("Exclude:true"), directives::toString);
    }
}
