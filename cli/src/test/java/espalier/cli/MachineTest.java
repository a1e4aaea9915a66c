package espalier.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineTest {
    @TempDir
    private Path folder;

    @Test
    void theProcessorHasItsNameOrItsArchitecture() {
        String two = "processor\t: 0\nmodel\t\t: 2\nmodel name\t: Some CPU @ 3 GHz \n\nmodel name\t: Another\n";
        assertEquals("Some CPU @ 3 GHz", Machine.processor(two));
        assertEquals(System.getProperty("os.arch"), Machine.processor("processor\t: 0\nCPU part\t: 0xd40\n"));
    }

    @Test
    void theLargestCacheCounts() throws IOException {
        assertEquals(-1, Machine.cacheBytes(folder.resolve("none")));
        assertEquals(-1, Machine.cacheBytes(folder));
        for (String[] cache : new String[][] {{"index0", "48K\n"}, {"index3", "32768K\n"}, {"index2", "1024K\n"}}) {
            Files.createDirectory(folder.resolve(cache[0]));
            Files.writeString(folder.resolve(cache[0]).resolve("size"), cache[1]);
        }
        assertEquals(32L << 20, Machine.cacheBytes(folder));
    }

    @Test
    void thisMachineIsDescribed() throws IOException {
        Machine machine = Machine.ofProcess();
        assertTrue(machine.processors() >= 1 && !machine.processor().isBlank(), machine.toString());
    }
}
