package espalier.engine.weights;

/// What a safetensors header says of one tensor.
///
/// @param name as the header has it
/// @param type element type
/// @param shape dimensions, outermost first; empty for a single element; any may be 0
/// @param begin offset of the first byte from the start of the file's data
/// @param end offset after the last byte; `end - begin` is what type and shape take
public record TensorInfo(String name, StoredType type, long[] shape, long begin, long end) {
    /// Copies the shape.
    public TensorInfo {
        shape = shape.clone();
    }

    /// A copy of the dimensions.
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /// Bytes of the tensor.
    public long bytes() {
        return end - begin;
    }
}
