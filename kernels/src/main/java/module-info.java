/// Numerical kernels behind one backend contract; nothing here knows what a transformer is made of.
module espalier.kernels {
    requires espalier.bindings;
    requires jdk.incubator.vector;

    exports espalier.kernels;
}
