package espalier.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;

/// Replaces the running process, keeping its pid (`execv`).
public final class ProcessImage {
    private ProcessImage() {}

    /// Runs another program in place of this one. Nothing after the call happens, shutdown hooks included.
    ///
    /// @param command the program's path, then its arguments
    /// @throws IllegalArgumentException if the command is empty or holds a NUL character
    /// @throws IllegalStateException if the system refuses, with its reason; the process then goes on
    public static void replace(List<String> command) {
        if (command.isEmpty()) {
            throw new IllegalArgumentException("a command needs at least the program's path");
        }
        for (String argument : command) {
            if (argument.indexOf('\0') >= 0) {
                throw new IllegalArgumentException("a command line argument cannot hold a NUL character");
            }
        }
        MethodHandle execv = SystemCalls.capturing(
                "execv", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment argv = arena.allocate(ValueLayout.ADDRESS, command.size() + 1L);
            for (int i = 0; i < command.size(); i++) {
                argv.setAtIndex(ValueLayout.ADDRESS, i, arena.allocateFrom(command.get(i)));
            }
            argv.setAtIndex(ValueLayout.ADDRESS, command.size(), MemorySegment.NULL);
            MemorySegment errno = SystemCalls.errnoSegment(arena);
            int status = (int) execv.invokeExact(errno, argv.getAtIndex(ValueLayout.ADDRESS, 0), argv);
            throw new IllegalStateException(
                    "execv of " + command.getFirst() + " returned " + status + ": " + SystemCalls.message(errno));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw SystemCalls.rethrow(e);
        }
    }
}
