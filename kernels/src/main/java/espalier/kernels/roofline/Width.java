package espalier.kernels.roofline;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// The register width of the loops that measure ceilings: the machine's preferred one, from 128 to 512 bits, as the
/// vector kernels choose it. A second width in one process would make both slow.
final class Width {
    static final VectorSpecies<Float> F32 = choose();
    static final VectorSpecies<Integer> I32 = F32.withLanes(int.class);
    static final int LANES = F32.length();
    static final int BYTES = LANES * Float.BYTES;

    private Width() {}

    private static VectorSpecies<Float> choose() {
        VectorSpecies<Float> preferred = FloatVector.SPECIES_PREFERRED;
        return preferred.length() < 4 ? FloatVector.SPECIES_128
                : preferred.length() > 16 ? FloatVector.SPECIES_512 : preferred;
    }
}
