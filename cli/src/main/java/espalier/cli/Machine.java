package espalier.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What measurements are reported with.
///
/// @param processor its name as Linux tells it; elsewhere the architecture
/// @param processors that this process may use
/// @param cacheBytes of the largest cache; -1 where the system does not tell
record Machine(String processor, int processors, long cacheBytes) {
    private static final Path PROCESSOR = Path.of("/proc/cpuinfo");
    private static final Path CACHES = Path.of("/sys/devices/system/cpu/cpu0/cache");

    static Machine ofProcess() throws IOException {
        return new Machine(
                Files.isReadable(PROCESSOR) ? processor(Files.readString(PROCESSOR)) : architecture(),
                Runtime.getRuntime().availableProcessors(),
                cacheBytes(CACHES));
    }

    /// @param text of `/proc/cpuinfo`; ARM has no names there
    static String processor(String text) {
        Matcher name = Pattern.compile("(?m)^model name\\s*:\\s*(\\S.*?)\\s*$").matcher(text);
        return name.find() ? name.group(1) : architecture();
    }

    private static String architecture() {
        return System.getProperty("os.arch");
    }

    /// @param folder with a folder for each cache, which has a file `size`, e.g. `32768K`
    static long cacheBytes(Path folder) throws IOException {
        long largest = -1;
        if (Files.isDirectory(folder)) {
            try (var caches = Files.newDirectoryStream(folder, "index*")) {
                for (Path cache : caches) {
                    Path size = cache.resolve("size");
                    if (Files.isReadable(size)) {
                        largest = Math.max(largest, new ByteCount().convert(Files.readString(size).strip()));
                    }
                }
            }
        }
        return largest;
    }
}
