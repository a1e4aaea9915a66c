package espalier.engine.masked;

import espalier.engine.model.ModelShape;
import espalier.engine.model.Workload;

final class MaskMemory {
    private MaskMemory() {}

    static Workload workload(ModelShape shape, long weightBytes, MaskTraining.Request request) {
        throw new UnsupportedOperationException();
    }
}
