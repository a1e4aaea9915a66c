package espalier.kernels.roofline;

import java.util.function.IntConsumer;
import java.util.function.ToDoubleFunction;

/// A kernel at one shape, ready to be set up on a backend. The names are those of [Measurement].
///
/// @param name what it computes
/// @param weight which weights have the shape; may be empty
/// @param type of the weight or the elements
/// @param shape its sizes
/// @param work of a call
/// @param setup makes the operands
record Kernel(String name, String weight, String type, String shape, Work work, Setup setup) {
    /// Makes operands.
    interface Setup {
        /// @param memory they are taken from
        /// @return the call to measure
        Call open(Operands memory);
    }

    /// A kernel with its operands.
    ///
    /// @param copies sets of operands
    /// @param run runs it on one of them
    /// @param error after the first call on set 0: the relative error of what it wrote, given the scalar backend
    record Call(int copies, IntConsumer run, ToDoubleFunction<Operands> error) {}

    @Override
    public String toString() {
        return String.join(" ", name, weight, type, shape).replace("  ", " ");
    }
}
