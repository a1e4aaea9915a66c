package espalier.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The script `espalier` in a folder of its own, with JDKs and a Maven that only say how they were called.
class LauncherScriptTest {
    @TempDir
    private Path folder;

    private Path project;
    private Path commands;

    private record Run(int exit, String out, String err) {}

    @BeforeEach
    void makeProject() throws IOException {
        project = Files.createDirectories(folder.resolve("a project"));
        commands = Files.createDirectories(folder.resolve("commands"));
        String script = Files.readString(Path.of(System.getProperty("espalier.root"), "espalier"));
        for (String place : List.of("/usr/lib/jvm/", "/usr/java/", "/opt/", "/usr/local/opt/", "/Library/")) {
            assertTrue(script.contains(place), place);
        }
        // JDKs of this machine must not be found.
        executable(project.resolve("espalier"), script.replaceAll("(?<=[ \"])/(usr|opt|Library)/", "/no/such/folder/"));
        Files.writeString(Files.createDirectories(project.resolve("cli/src/main/java")).resolve("Source.java"), "");
        Files.writeString(project.resolve("pom.xml"), "");
        Files.writeString(project.resolve("cli/pom.xml"), "");
        for (String tool : List.of("sh", "dirname", "readlink", "sed", "find", "head", "env")) {
            Path found = Stream.of("/usr/bin", "/bin")
                    .map(place -> Path.of(place, tool))
                    .filter(Files::exists)
                    .findFirst()
                    .orElseThrow();
            Files.createSymbolicLink(commands.resolve(tool), found);
        }
    }

    private static void executable(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    /// A JDK that prints its name and arguments, one a line.
    private Path jdk(String name, String version) throws IOException {
        Path home = folder.resolve(name);
        executable(home.resolve("bin/java"), "#!/bin/sh\necho '" + name + "'\nfor a; do echo \"$a\"; done\n");
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
        return home;
    }

    private void jarFrom(Instant time) throws IOException {
        Path jar = project.resolve("cli/target/espalier.jar");
        Files.createDirectories(jar.getParent());
        Files.writeString(jar, "");
        Files.setLastModifiedTime(jar, FileTime.from(time));
    }

    private static Instant later() {
        return Instant.now().plusSeconds(60);
    }

    private Run run(Path script, Map<String, String> environment, String... arguments) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(Stream.concat(Stream.of(script.toString()), Stream.of(arguments))
                .toList());
        builder.directory(folder.toFile());
        builder.environment().clear();
        builder.environment().put("PATH", commands.toString());
        builder.environment().put("HOME", folder.resolve("home").toString());
        builder.environment().putAll(environment);
        Path err = Files.createTempFile(folder, "err", ".txt");
        Process process = builder.redirectError(err.toFile()).start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), out, Files.readString(err));
    }

    private static final String NONE = "espalier: needs JDK 25.0.3 or later and found none; install one"
            + " (e.g. Temurin 25, https://adoptium.net) or set JAVA_HOME\n";

    @Test
    void argumentsAndOptionsReachJava() throws Exception {
        jarFrom(later());
        Path home = jdk("good jdk", "25.0.3");
        Run run = run(
                project.resolve("espalier"),
                Map.of("JAVA_HOME", home.toString(), "ESPALIER_JAVA_OPTS", "-Xmx1g -Da=b"),
                "generate", "--prompt", "two  words * $HOME", "");
        assertEquals(
                "good jdk\n-XX:+UseSerialGC\n-Xmx1g\n-Da=b\n-jar\n" + project.toRealPath() + "/cli/target/espalier.jar\n"
                        + "generate\n--prompt\ntwo  words * $HOME\n\n",
                run.out);
        assertEquals("", run.err);
        assertEquals(0, run.exit);
    }

    @Test
    void aChosenCollectorIsKept() throws Exception {
        jarFrom(later());
        Path home = jdk("good", "25.0.3");
        Run run = run(
                project.resolve("espalier"),
                Map.of("JAVA_HOME", home.toString(), "ESPALIER_JAVA_OPTS", "-XX:+UseParallelGC"),
                "inspect");
        assertTrue(run.out.startsWith("good\n-XX:+UseParallelGC\n-jar\n"), run.out + run.err);
    }

    @Test
    void aSymbolicLinkFindsTheProject() throws Exception {
        jarFrom(later());
        Path links = Files.createDirectories(folder.resolve("some links"));
        Files.createSymbolicLink(links.resolve("direct"), project.resolve("espalier"));
        Files.createSymbolicLink(links.resolve("relative"), Path.of("direct"));
        Run run = run(links.resolve("relative"), Map.of("JAVA_HOME", jdk("good", "26-ea").toString()));
        assertTrue(run.out.endsWith("-jar\n" + project.toRealPath() + "/cli/target/espalier.jar\n"), run.out + run.err);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.8.0_402", "17.0.15", "24.0.2", "25", "25.0.0", "25.0.2", "25.0.2.1", "25-ea", ""})
    void anOlderJavaIsNotTaken(String version) throws Exception {
        jarFrom(later());
        Run run = run(project.resolve("espalier"), Map.of("JAVA_HOME", jdk("old", version).toString()), "--version");
        assertEquals(NONE, run.err);
        assertEquals("", run.out);
        assertEquals(2, run.exit);
    }

    @ParameterizedTest
    @ValueSource(strings = {"25.0.3", "25.0.3.1", "25.0.10", "25.0.20", "25.1", "26", "100.0.1"})
    void aNewerJavaIsTaken(String version) throws Exception {
        jarFrom(later());
        Run run = run(project.resolve("espalier"), Map.of("JAVA_HOME", jdk("new", version).toString()));
        assertEquals(0, run.exit, run.err);
    }

    @Test
    void otherPlacesAreSearchedWhereJavaHomeIsTooOld() throws Exception {
        jarFrom(later());
        Path good = jdk("behind the path", "25.0.4");
        Files.createSymbolicLink(commands.resolve("java"), good.resolve("bin/java"));
        String old = jdk("old", "17.0.1").toString();
        assertTrue(run(project.resolve("espalier"), Map.of("JAVA_HOME", old)).out.startsWith("behind the path\n"));
        Files.delete(commands.resolve("java"));
        jdk("home/.sdkman/candidates/java/25.0.3-tem", "25.0.3");
        assertTrue(run(project.resolve("espalier"), Map.of("JAVA_HOME", old)).out.startsWith("home/.sdkman"));
        assertTrue(run(project.resolve("espalier"), Map.of("JDK_HOME", good.toString())).out.startsWith("behind"));
    }

    @Test
    void aJarThatIsMissingOrOlderThanASourceIsBuilt() throws Exception {
        Path home = jdk("good", "25.0.3");
        Path jar = project.toRealPath().resolve("cli/target/espalier.jar");
        executable(commands.resolve("mvn"), "#!/bin/sh\necho \"mvn $* for $JAVA25_HOME\"\n");
        String said = "espalier: building " + jar + "\nmvn -q -B -DskipTests -pl cli -am package for " + home + "\n";
        Map<String, String> environment = Map.of("JAVA_HOME", home.toString());
        assertEquals(said, run(project.resolve("espalier"), environment).err);
        jarFrom(later());
        assertEquals("", run(project.resolve("espalier"), environment).err);
        for (String touched : List.of("pom.xml", "cli/pom.xml", "cli/src/main/java/Source.java", "cli/src/main/java")) {
            jarFrom(Instant.now());
            Files.setLastModifiedTime(project.resolve(touched), FileTime.from(later()));
            Run run = run(project.resolve("espalier"), environment);
            assertEquals(said, run.err, touched);
            assertTrue(run.out.startsWith("good\n"), "what Maven prints stays off standard output");
            jarFrom(later().plusSeconds(60));
            Files.setLastModifiedTime(project.resolve(touched), FileTime.from(Instant.now().minusSeconds(60)));
        }
    }

    @Test
    void aBuildThatCannotBeDoneIsSaid() throws Exception {
        Map<String, String> environment = Map.of("JAVA_HOME", jdk("good", "25.0.3").toString());
        Path jar = project.toRealPath().resolve("cli/target/espalier.jar");
        Run without = run(project.resolve("espalier"), environment);
        assertEquals("espalier: needs Maven (mvn on the PATH) to build " + jar + "\n", without.err);
        assertEquals(2, without.exit);
        executable(commands.resolve("mvn"), "#!/bin/sh\nexit 7\n");
        Run failing = run(project.resolve("espalier"), environment);
        assertEquals("espalier: building " + jar + "\nespalier: the build failed\n", failing.err);
        assertEquals(1, failing.exit);
    }
}
