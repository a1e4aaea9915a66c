package espalier.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class NativeWorkspaceTest {
    @Test
    void tensorsAreAlignedAndDoNotOverlap() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            List<Tensor> taken = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                Tensor tensor = workspace.take(i, 97 * i % 61);
                assertEquals(0, tensor.address() % 64);
                HostMemory.segment(tensor).fill((byte) i);
                taken.add(tensor);
            }
            for (int i = 0; i < taken.size(); i++) {
                byte expected = (byte) i;
                byte[] bytes = HostMemory.segment(taken.get(i)).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
                for (byte actual : bytes) {
                    assertEquals(expected, actual);
                }
            }
        }
    }

    @Test
    void aReleaseGivesTheSameMemoryAgain() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            workspace.take(3, 5);
            long mark = workspace.mark();
            Tensor first = workspace.take(7, 11);
            workspace.take(2000, 1000);
            long held = workspace.heldBytes();
            for (int round = 0; round < 5; round++) {
                workspace.release(mark);
                assertEquals(first, workspace.take(7, 11));
                workspace.take(2000, 1000);
                assertEquals(held, workspace.heldBytes(), "memory grew in round " + round);
            }
        }
    }

    @Test
    void growsByBlocksAndSkipsThoseThatAreTooSmall() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            assertEquals(0, workspace.heldBytes());
            Tensor small = workspace.take(1, 1);
            long afterSmall = workspace.heldBytes();
            assertEquals(1 << 20, afterSmall);
            Tensor large = workspace.take(1024, 1024);
            assertEquals(afterSmall + (4 << 20), workspace.heldBytes());
            workspace.release(0);
            assertEquals(large, workspace.take(1024, 1024), "the first block does not hold it");
            workspace.release(0);
            assertEquals(small, workspace.take(1, 1));
        }
    }

    @Test
    void zerosAreZerosWhereSomethingLayBefore() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            HostMemory.segment(workspace.take(10, 10)).fill((byte) 0x55);
            workspace.release(0);
            Tensor zeros = workspace.takeZeros(10, 10);
            for (int i = 0; i < 100; i++) {
                assertEquals(0f, HostMemory.get(zeros, i / 10, i % 10));
            }
        }
    }

    @Test
    void emptyTensorsCostNothing() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            workspace.take(1, 1);
            long mark = workspace.mark();
            Tensor empty = workspace.take(0, 1000);
            assertEquals(mark, workspace.mark());
            assertTrue(empty.isPresent());
            assertNotEquals(0, empty.address());
        }
    }

    @Test
    void refusesMarksItDidNotGive() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            var above = assertThrows(IllegalArgumentException.class, () -> workspace.release(64));
            assertEquals("mark 64 of a workspace at height 0", above.getMessage());
            assertThrows(IllegalArgumentException.class, () -> workspace.release(-1));
            var shape = assertThrows(IllegalArgumentException.class, () -> workspace.take(-1, 2));
            assertEquals("rows must not be negative, got -1", shape.getMessage());
        }
    }

    @Test
    void saysHowMuchWasAskedForAndHeldWhenMemoryEnds() {
        try (NativeWorkspace workspace = new NativeWorkspace()) {
            workspace.take(1, 1);
            var error = assertThrows(OutOfMemoryError.class, () -> workspace.take(1_000_000_000, 1_000_000_000));
            assertEquals("a workspace that holds 1048576 bytes asked for 4000000000000000000 more", error.getMessage());
            var overflow = assertThrows(
                    OutOfMemoryError.class, () -> workspace.take(Integer.MAX_VALUE, Integer.MAX_VALUE));
            assertEquals(
                    "a workspace that holds 1048576 bytes was asked for a tensor [2147483647, 2147483647]",
                    overflow.getMessage());
            workspace.release(0);
            assertEquals(1048576, workspace.heldBytes());
        }
    }

    @Test
    void closedTwiceOrUsedAfterwardsIsAnError() {
        NativeWorkspace workspace = new NativeWorkspace();
        workspace.close();
        assertThrows(IllegalStateException.class, () -> workspace.take(1, 1));
        assertThrows(IllegalStateException.class, workspace::close);
    }
}
