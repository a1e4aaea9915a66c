package espalier.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every operation of the vector backend against the reference, at sizes that leave every kind of tail.
class OpsContractTest {
    static List<OpCases.OpCase> cases() {
        return OpCases.all();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void vectorMatchesScalar(OpCases.OpCase test) {
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 1);
                Ops vector = Backends.open(Backends.Choice.VECTOR, 2)) {
            for (int[] size : OpCases.SIZES) {
                Contract.compare(test, size[0], size[1], scalar, vector);
            }
        }
    }

    @Test
    void backendsSayWhatTheyAre() {
        try (Ops scalar = Backends.open(Backends.Choice.SCALAR, 3);
                Ops vector = Backends.open(Backends.Choice.VECTOR, 3)) {
            assertEquals("scalar 32 1", scalar.name() + " " + scalar.laneBits() + " " + scalar.threads());
            assertEquals("vector 3", vector.name() + " " + vector.threads());
        }
    }
}
