package espalier.launch;

/**
 * Entry class of the runnable jar, compiled for Java 8 so that any Java can run it far enough to say which Java is
 * needed. Everything else is compiled for Java 25 and first loaded from {@link Startup}.
 */
public final class Launcher {
    private static final int REQUIRED_FEATURE = 25;

    private Launcher() {}

    /**
     * Starts Espalier, or prints one line and exits with 2 on a Java that is too old.
     *
     * @param arguments the command line, passed on unchanged
     * @throws Throwable what the program threw
     */
    public static void main(String[] arguments) throws Throwable {
        int feature = feature(System.getProperty("java.specification.version", ""));
        if (feature < REQUIRED_FEATURE) {
            System.err.println("espalier: needs Java 25 (25.0.3 or later), this is Java "
                    + System.getProperty("java.version", "of an unknown version"));
            System.exit(2);
        }
        Class<?> startup = Class.forName("espalier.launch.Startup");
        try {
            startup.getMethod("start", String[].class).invoke(null, (Object) arguments);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** "25" gives 25; "1.8", the form of old versions, and anything else that is no number give 8. */
    static int feature(String specificationVersion) {
        try {
            return Integer.parseInt(specificationVersion);
        } catch (NumberFormatException e) {
            return 8;
        }
    }
}
