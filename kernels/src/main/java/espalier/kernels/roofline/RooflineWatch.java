package espalier.kernels.roofline;

/// Is told how far a measurement is.
public interface RooflineWatch {
    /// @param done measurements that are finished
    /// @param total of all
    void at(int done, int total);
}
