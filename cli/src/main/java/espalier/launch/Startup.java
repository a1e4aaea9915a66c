package espalier.launch;

import espalier.bindings.ProcessImage;
import espalier.cli.Main;
import java.lang.management.ManagementFactory;
import java.lang.reflect.InaccessibleObjectException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// Makes `jdk.incubator.vector` available, which no jar manifest can ask for, then hands over to the command line.
///
/// The module is loaded in this process through the JDK's own `Modules.loadModule`, which the manifest opens with
/// `Add-Opens`; C2 intrinsics work fully this way. Where that fails, the process image is replaced by one whose
/// command line names the module: the pid stays, so nothing can outlive its parent.
public final class Startup {
    private static final String VECTOR_MODULE = "jdk.incubator.vector";

    /// Set on the replaced image, so that a second failure ends instead of replacing for ever.
    private static final String REPLACED = "espalier.launch.replaced";

    private Startup() {}

    /// Runs the command line and exits with its code.
    ///
    /// @param arguments the command line
    public static void start(String[] arguments) {
        Locale.setDefault(Locale.ROOT);
        if (!isAnsweredWithoutKernels(arguments)) {
            try {
                ensureVectorModule(arguments);
            } catch (IllegalStateException e) {
                System.err.println("espalier: " + e.getMessage() + " (" + e.getCause().getMessage() + ")");
                System.exit(1);
            }
        }
        System.exit(Main.run(arguments));
    }

    /// `--version`, `inspect --help` and the like. With more arguments the last one may be the value of an option.
    private static boolean isAnsweredWithoutKernels(String[] arguments) {
        return arguments.length == 0
                || arguments.length <= 2
                        && List.of("--help", "-h", "--version", "-V").contains(arguments[arguments.length - 1]);
    }

    private static void ensureVectorModule(String[] arguments) {
        if (ModuleLayer.boot().findModule(VECTOR_MODULE).isPresent()) {
            return;
        }
        Throwable inProcess = loadInProcess();
        if (inProcess == null) {
            return;
        }
        if (Boolean.getBoolean(REPLACED)) {
            throw new IllegalStateException("this JDK has no module " + VECTOR_MODULE, inProcess);
        }
        replaceProcess(arguments, inProcess);
    }

    /// Returns null on success, else why it failed. Pinned to JDK 25: the method is internal.
    private static Throwable loadInProcess() {
        if (Boolean.getBoolean("espalier.launch.forceReplace")) {
            return new IllegalStateException("replacement was asked for by espalier.launch.forceReplace");
        }
        try {
            var load = Class.forName("jdk.internal.module.Modules").getDeclaredMethod("loadModule", String.class);
            load.setAccessible(true);
            load.invoke(null, VECTOR_MODULE);
            return null;
        } catch (ReflectiveOperationException | InaccessibleObjectException | LinkageError e) {
            return e;
        }
    }

    private static void replaceProcess(String[] arguments, Throwable reason) {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        List<String> command = new ArrayList<>();
        command.add(java.toString());
        for (String option : ManagementFactory.getRuntimeMXBean().getInputArguments()) {
            if (!option.startsWith("-Despalier.launch.")) {
                command.add(option);
            }
        }
        command.add("-D" + REPLACED + "=true");
        command.add("--add-modules=" + VECTOR_MODULE);
        command.add("-jar");
        command.add(System.getProperty("java.class.path"));
        command.addAll(List.of(arguments));
        try {
            ProcessImage.replace(command);
        } catch (RuntimeException e) {
            e.addSuppressed(reason);
            throw new IllegalStateException(
                    "cannot load " + VECTOR_MODULE + "; start with: java --add-modules " + VECTOR_MODULE + " -jar …",
                    e);
        }
    }
}
