/// System calls that the JDK does not offer, bound through the foreign function API.
module espalier.bindings {
    exports espalier.bindings;
}
