package espalier.engine.masked;

import espalier.engine.adapt.LoraSettings;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Workload;
import espalier.engine.train.TrainingMemory;
import java.util.Set;

final class MaskMemory {
    private MaskMemory() {}

    static Workload workload(ModelShape shape, long weightBytes, MaskTraining.Request request) {
        long trained = request.adapters().map(state -> state.parameters()).orElse(0L);
        Workload work = new TrainingMemory(shape, weightBytes, trained, request.settings(), request.training(),
                request.validation()).workload().withGates();
        if (request.adapters().isPresent()) {
            LoraSettings lora = request.adapters().get().settings();
            work = work.withAdapters(new Workload.AdaptersPerLayer(lora.targets(), lora.rank(), lora.dropout() > 0));
        }
        return request.method() instanceof MaskMethod.NutePrune ? work.withTeacher() : work;
    }
}
