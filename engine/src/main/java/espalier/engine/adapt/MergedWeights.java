package espalier.engine.adapt;

import espalier.engine.model.StreamedModel;
import espalier.engine.model.WeightSource;
import espalier.kernels.DType;
import espalier.kernels.Ops;
import espalier.kernels.StoredMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// A model's tensors with its adapters added, `W + scale B A` in F32; what has no adapter stays as it is stored.
///
/// @param base the model; stays open
/// @param adapters by [LoraModule#name]
/// @param memory holds the merged matrices
public record MergedWeights(WeightSource base, Map<String, LoraFactors> adapters, Arena memory)
        implements WeightSource {
    private static final String SUFFIX = ".weight";

    /// Copies the map.
    public MergedWeights {
        adapters = Map.copyOf(adapters);
    }

    /// @param base the model; stays open
    /// @param state its adapters
    /// @param memory holds the merged matrices
    /// @return the merged tensors
    public static MergedWeights of(WeightSource base, LoraState state, Arena memory) {
        Map<String, LoraFactors> adapters = new HashMap<>();
        state.factors().forEach(factors -> adapters.put(factors.module().name(), factors));
        return new MergedWeights(base, adapters, memory);
    }

    /// @param base the model; stays open
    /// @param state its adapters
    /// @param ops the backend
    /// @return the merged model, made layer by layer
    static StreamedModel streamed(WeightSource base, LoraState state, Ops ops) {
        return new StreamedModel(memory -> of(base, state, memory), state.shape(), ops);
    }

    @Override
    public StoredMatrix matrix(String name, int rows, int cols) {
        StoredMatrix stored = base.matrix(name, rows, cols);
        Optional<LoraFactors> adapter = adapter(name);
        if (adapter.isEmpty()) {
            return stored;
        }
        float[] merged = LoraMerge.merge(LoraMerge.floats(stored), adapter.get());
        MemorySegment data = memory.allocate((long) merged.length * Float.BYTES, 64);
        MemorySegment.copy(merged, 0, data, ValueLayout.JAVA_FLOAT, 0, merged.length);
        return new StoredMatrix(name, DType.F32, rows, cols, data);
    }

    @Override
    public float[] vector(String name, int length) {
        return base.vector(name, length);
    }

    /// @param tensor name of a weight
    /// @return the adapter that is added to it
    private Optional<LoraFactors> adapter(String tensor) {
        return tensor.endsWith(SUFFIX)
                ? Optional.ofNullable(adapters.get(tensor.substring(0, tensor.length() - SUFFIX.length())))
                : Optional.empty();
    }
}
