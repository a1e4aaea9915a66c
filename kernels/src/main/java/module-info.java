/// Numerical kernels behind one backend contract; nothing here knows what a transformer is made of.
module espalier.kernels {
    requires espalier.bindings;
    requires java.management;
    requires jdk.incubator.vector;
    requires jdk.management;

    exports espalier.kernels;
    exports espalier.kernels.roofline;
}
