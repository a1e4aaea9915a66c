/// The command line; the only place where flags, environment and system properties are read.
module espalier.cli {
    requires espalier.bindings;
    requires espalier.eval;
    requires info.picocli;
    requires com.fasterxml.jackson.databind;
    requires java.logging;
    requires java.management;
    requires jdk.management;

    exports espalier.launch;
    opens espalier.cli to info.picocli;
}
