package espalier.engine.masked;

import espalier.engine.adapt.LoraWeights;
import espalier.engine.gates.GateSample;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Adapters;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LiveModel;
import espalier.engine.model.LivePass;
import espalier.engine.model.Model;
import espalier.engine.model.ModelShape;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.model.TokenLosses;
import espalier.engine.model.WeightGradients;
import espalier.engine.train.Examples;
import espalier.engine.train.Objective;
import espalier.engine.train.TrainedBeside;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// What a student under sampled masks minimises: a [Task], on a model that computes nothing for what is masked to 0.
final class MaskedLoss implements Objective, AutoCloseable {
    private final LiveModel live;
    private final Task task;
    private final TrainedGates gates;
    private final Optional<LoraWeights> adapters;
    private final StepTerms terms;
    private final double dropout;
    private final long seed;
    private final Keep keep;
    private final Workspace ws;

    /// @param student with its roles; closed by its owner
    /// @param request seed, and dropout of the adapters
    /// @param keep what the student's forward keeps, at least the layer inputs
    /// @param ws for activations, of the model's backend; closed with this
    MaskedLoss(Student student, MaskTraining.Request request, Keep keep, Workspace ws) {
        this.live = student.live();
        this.task = student.task();
        this.gates = student.gates();
        this.adapters = student.adapters();
        this.terms = student.terms();
        this.dropout = request.adapters().map(state -> state.settings().dropout()).orElse(0.0);
        this.seed = request.settings().seed();
        this.keep = keep;
        this.ws = ws;
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> parameters =
                new ArrayList<>(adapters.map(LoraWeights::parameters).orElse(List.of()));
        parameters.add(gates.gradients());
        return parameters;
    }

    @Override
    public TrainedBeside beside() {
        return gates;
    }

    @Override
    public LossSum train(MicroBatch part) throws IOException {
        if (part.firstRow() == 0) {
            terms.clear();
        }
        Batch batch = part.examples().batch();
        long mark = ws.mark();
        try {
            Task.Loss loss = task.prepare(part, ws);
            Optional<GateSample> sample = gates.areOn(part.step())
                    ? Optional.of(gates.sample(part.step(), part.firstRow()))
                    : Optional.empty();
            Pass role = role(sample, part);
            LivePass lives = live.begin(
                    role, sample.map(GateSample::layersUnderTrainedGates).orElse(Set.of()), ws);
            Model model = live.model();
            Hidden student = model.forward(batch, lives.pass(), keep, ws);
            Tensor dNormed = ws.take(batch.tokens(), shape().hidden());
            Task.Found found = loss.find(dNormed, student, sample.map(GateSample::mask), ws);
            model.backward(student, dNormed, found.states(), lives.pass(), ws);
            lives.scatterGradients();
            sample.ifPresent(draw ->
                    gates.setGradient(draw, UploadedMasks.read(role.gateGradients(), model.ops())));
            terms.add(found.terms(), found.share());
            // Divided by the labels of the whole batch, the sums of its parts make the mean.
            return new LossSum(
                    found.share() * found.mean() / part.scale(), part.examples().labels(), batch.tokens());
        } finally {
            ws.release(mark);
        }
    }

    private Pass role(Optional<GateSample> sample, MicroBatch part) {
        Gates open = Gates.open(shape().layers().size());
        Gates values = sample.map(draw -> upload(draw.mask().values())).orElse(open);
        return new Pass(
                        values,
                        UploadedMasks.zerosLike(values, ws),
                        adapters.map(LoraWeights::adapters).orElse(Adapters.NONE),
                        WeightGradients.NONE)
                .withDropout(new AdapterDropout(dropout, seed, part.step(), part.firstRow()));
    }

    private Gates upload(MaskValues values) {
        return UploadedMasks.upload(values, shape(), live.model().ops(), ws);
    }

    private ModelShape shape() {
        return live.model().shape();
    }

    /// Cross-entropy under the deterministic masks, once they are trained.
    @Override
    public LossSum evaluate(Examples examples) {
        long mark = ws.mark();
        try {
            Gates values = gates.areTrained()
                    ? upload(gates.deterministic(WidthRule.FREE).values())
                    : Gates.open(shape().layers().size());
            Adapters frozen = adapters.map(LoraWeights::frozenAdapters).orElse(Adapters.NONE);
            LivePass lives = live.begin(Pass.frozen(values, frozen), ws);
            Hidden hidden = live.model().forward(examples.batch(), lives.pass(), Keep.NOTHING, ws);
            TokenLosses losses = live.model().lmHead().loss(hidden, examples.targets(), ws);
            return new LossSum(losses.sum(), losses.count(), examples.tokens());
        } finally {
            ws.release(mark);
        }
    }

    /// Frees the activations.
    @Override
    public void close() {
        ws.close();
    }
}
