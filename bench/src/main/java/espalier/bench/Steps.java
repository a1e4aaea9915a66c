package espalier.bench;

import espalier.engine.Progress;
import espalier.engine.adapt.LoraSettings;
import espalier.engine.adapt.LoraState;
import espalier.engine.adapt.LoraWeights;
import espalier.engine.model.AdapterDropout;
import espalier.engine.model.Architecture;
import espalier.engine.model.Batch;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.Keep;
import espalier.engine.model.LiveModel;
import espalier.engine.model.LivePass;
import espalier.engine.model.MemoryPlan;
import espalier.engine.model.Model;
import espalier.engine.model.ModelFolder;
import espalier.engine.model.ModelShape;
import espalier.engine.model.PackedModel;
import espalier.engine.model.Pass;
import espalier.engine.model.Site;
import espalier.engine.model.StateGradients;
import espalier.engine.model.StepPlan;
import espalier.engine.model.WeightGradients;
import espalier.engine.model.Workload;
import espalier.engine.prune.GqaFold;
import espalier.engine.prune.Group;
import espalier.engine.prune.Groups;
import espalier.engine.prune.Importance;
import espalier.engine.prune.PruningMemory;
import espalier.engine.prune.Reduction;
import espalier.engine.prune.UnitScorer;
import espalier.engine.train.AdamW;
import espalier.engine.train.LearningRate;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.SquaredError;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.DoubleSupplier;

/// Whole steps of a model, as methods take them, with useful arithmetic counted: recomputation is not.
final class Steps implements AutoCloseable {
    private static final int RANK = 8;
    private static final Set<Site> SITES = Set.of(Site.Q_PROJ, Site.V_PROJ);
    private static final Workload.AdaptersPerLayer ADAPTERS = new Workload.AdaptersPerLayer(SITES, RANK, false);

    private final ModelFolder folder;
    private final Kind kind;
    private final PackedModel packed;
    private final Model model;
    private final Ops ops;
    private final Workspace ws;
    private final Workspace memory;
    private final int[][] samples;
    private final Batch batch;
    private final StepPlan plan;
    private final Gates open;
    private final LoraWeights student;
    private final LoraWeights teacher;
    private final AdamW optimiser;
    private final DrawnGates drawn;
    private final LiveModel live;

    /// The steps there are.
    enum Kind {
        /// A forward with the vocabulary at every position.
        PREFILL,
        /// Cross-entropy, backward into adapters of q_proj and v_proj, AdamW.
        LORA,
        /// LLM-Pruner's gradients, reduced to the importance of heads and FFN channels.
        IMPORTANCE,
        /// NutePrune's: a teacher's forward, a student's forward and backward with gates, KL and layer losses.
        TWO_ROLES
    }

    /// @param folder the model, of any weights; closed by its owner
    /// @param kind which step
    /// @param sequences of the batch
    /// @param tokens of each
    /// @param memory bytes that the process may use
    /// @param zeros share of the student's heads and FFN channels in [Kind#TWO_ROLES] that is gated to 0; each step
    ///     looks again which they are
    /// @throws IllegalArgumentException if they do not suffice
    Steps(ModelFolder folder, Kind kind, int sequences, int tokens, long memory, double zeros) {
        this.folder = folder;
        this.kind = kind;
        Workload work = work(folder, kind, sequences, tokens);
        this.plan = kind == Kind.PREFILL ? prefillPlan(work, memory) : StepPlan.choose(work, memory);
        this.packed = PackedModel.of(folder.model(), plan.mostCopyBytes());
        this.model = packed.model();
        this.ops = model.ops();
        this.ws = kind == Kind.LORA || kind == Kind.TWO_ROLES
                ? work.workspace(plan.keep(), ops)
                : ops.newWorkspace();
        this.memory = ops.newWorkspace();
        this.samples = new int[sequences][tokens];
        for (int s = 0; s < sequences; s++) {
            for (int i = 0; i < tokens; i++) {
                samples[s][i] = new Philox(1, s).below(i, model.shape().vocab());
            }
        }
        this.batch = Batch.of(samples);
        this.open = Gates.open(model.shape().layers().size());
        LoraSettings settings = LoraSettings.of(RANK, RANK, 0, SITES);
        this.student = LoraWeights.trained(LoraState.initial(model.shape(), settings, 1), ops);
        this.teacher = LoraWeights.frozen(LoraState.initial(model.shape(), settings, 2), ops);
        LearningRate rate = new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, 1);
        this.optimiser =
                new AdamW(List.of(new AdamW.Group(student.parameters(), AdamW.Settings.DEFAULT, rate)), ops);
        this.drawn = DrawnGates.of(model.shape(), zeros);
        this.live = new LiveModel(model);
    }

    private static Workload work(ModelFolder folder, Kind kind, int sequences, int tokens) {
        ModelShape shape = folder.model().shape();
        long weights = folder.checkpoint().bytes();
        Workload plain = Workload.of(shape, (long) sequences * tokens, weights).withSequences(tokens);
        Workload work = switch (kind) {
            case PREFILL -> plain;
            case LORA -> plain.withAdapters(ADAPTERS);
            case IMPORTANCE -> PruningMemory.scoring(architecture(folder), shape, weights, sequences, tokens);
            case TWO_ROLES -> plain.withAdapters(ADAPTERS).withGates().withTeacher();
        };
        // A scoring pass runs once on its weights, so pruning does not pack them.
        return kind == Kind.IMPORTANCE ? work : work.withCopies(folder.model().packedBytes());
    }

    private static StepPlan prefillPlan(Workload work, long memory) {
        MemoryPlan plain =
                MemoryPlan.inference(work.shape(), work.weightBytes(), Math.toIntExact(work.tokens()), 0);
        plain.require(memory);
        MemoryPlan packed = plain.with("packed_weights", work.copyBytes());
        boolean isPacked = packed.total() <= memory;
        return new StepPlan(isPacked, Keep.NOTHING, isPacked ? packed : plain);
    }

    private static Architecture architecture(ModelFolder folder) {
        return Architecture.forModelType(folder.config().modelType());
    }

    /// @return what was planned, in words
    String plan() {
        return plan.describe(model.shape().layers().size());
    }

    /// @return one step, which returns a loss, or for prefill the sum of the last logits
    DoubleSupplier step() {
        return switch (kind) {
            case PREFILL -> this::prefill;
            case LORA -> this::lora;
            case IMPORTANCE -> this::importance;
            case TWO_ROLES -> this::twoRoles;
        };
    }

    /// Multiplications and additions that a step needs: 2 for each weight and token in a forward, as many for the
    /// gradient of the inputs and again for that of the weights where it is wanted; attention by its causal half. What
    /// is gated to 0 does not count.
    double usefulFlops() {
        List<LayerShape> whole = model.shape().layers();
        return switch (kind) {
            case PREFILL -> forwardFlops(whole);
            case LORA -> forwardFlops(whole) + inputFlops(whole);
            case IMPORTANCE -> forwardFlops(whole) + inputFlops(whole) + 2.0 * batch.tokens() * layerElements(whole);
            case TWO_ROLES -> forwardFlops(whole) + forwardFlops(drawn.live()) + inputFlops(drawn.live());
        };
    }

    private double forwardFlops(List<LayerShape> layers) {
        return 2.0 * batch.tokens() * matrixElements(layers) + attentionFlops(layers);
    }

    /// Nothing needs the gradient of what is below the first layer's projections, which is ignored here.
    private double inputFlops(List<LayerShape> layers) {
        return 2.0 * batch.tokens() * matrixElements(layers) + 2.5 * attentionFlops(layers);
    }

    private double layerElements(List<LayerShape> layers) {
        double elements = 0;
        for (LayerShape layer : layers) {
            int widths = 2 * layer.queryWidth() + 2 * layer.kvWidth() + 3 * layer.ffn();
            elements += (double) model.shape().hidden() * widths;
        }
        return elements;
    }

    private double matrixElements(List<LayerShape> layers) {
        return layerElements(layers) + (double) model.shape().hidden() * model.shape().vocab();
    }

    /// Scores and their product with the values, of the forward.
    private double attentionFlops(List<LayerShape> layers) {
        double flops = 0;
        for (LayerShape layer : layers) {
            for (int[] sample : samples) {
                flops += 2.0 * sample.length * (sample.length + 1) * layer.queryWidth();
            }
        }
        return flops;
    }

    private double prefill() {
        long mark = ws.mark();
        Hidden hidden = model.forward(batch, Pass.plain(open.heads().size()), Keep.NOTHING, ws);
        double[] last = new double[1];
        model.lmHead().forEachChunk(hidden.normed(), ws, (from, logits) ->
                last[0] = ops.sumOfSquares(logits.rowRange(logits.rows() - 1, logits.rows())));
        ws.release(mark);
        return last[0];
    }

    private double lora() {
        long mark = ws.mark();
        Pass pass = new Pass(open, open, student.adapters(), WeightGradients.NONE).withDropout(AdapterDropout.NONE);
        Hidden hidden = model.forward(batch, pass, plan.keep(), ws);
        Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
        int[] targets = batch.nextTokens();
        double scale = 1.0 / (batch.tokens() - batch.sequences());
        double loss = model.lmHead().lossBackward(dNormed, hidden, targets, (float) scale, ws).mean();
        model.backward(hidden, dNormed, StateGradients.NONE, pass, ws);
        update();
        ws.release(mark);
        return loss;
    }

    private void update() {
        optimiser.step(0, AdamW.clipScale(optimiser.gradientNorm(), 1));
        student.zeroGradients();
    }

    private double importance() {
        ChannelGraph graph = architecture(folder).graph(model.shape());
        List<Group> groups = Groups.of(graph).all().stream()
                .filter(group -> group.kind() != Group.Kind.HIDDEN)
                .toList();
        UnitScorer.Settings settings =
                new UnitScorer.Settings(Importance.PARAM_FIRST, Reduction.Stacked.SUM, GqaFold.BY_GROUP);
        return UnitScorer.score(
                        settings, groups, model, plan.keep(), graph.tensors(), folder.weights(), samples, 0,
                        Progress.NONE)
                .loss();
    }

    private double twoRoles() {
        long start = memory.mark();
        long mark = ws.mark();
        int layers = model.shape().layers().size();
        Gates gates = ones(1);
        Gates dGates = ones(0);
        Hidden taught = model.forward(batch, Pass.frozen(gates, teacher.adapters()), Keep.LAYER_INPUTS, ws);
        Gates sampled = drawn.onBackend(gates.hidden(), ops, memory);
        LivePass pass = live.begin(new Pass(sampled, dGates, student.adapters(), WeightGradients.NONE), ws);
        Hidden hidden = live.model().forward(batch, pass.pass(), plan.keep(), ws);
        Tensor dNormed = ws.take(batch.tokens(), model.shape().hidden());
        float tau = 2 / 3f;
        float scale = 0.1f * tau * tau / batch.sequences();
        double loss = model.lmHead().distill(dNormed, hidden, taught, tau, scale, ws).sum() * scale;
        SquaredError last = ops.squaredError(hidden.normed(), taught.normed());
        ops.squaredErrorBackward(dNormed, hidden.normed(), taught.normed(), 0.9f / last.count());
        StateGradients states = (state, d) -> {
            if (state < layers) {
                Tensor own = hidden.states().get(state);
                Tensor other = taught.states().get(state);
                ops.squaredErrorBackward(d, own, other, 0.9f / Math.max(1, ops.squaredError(own, other).count()));
            }
        };
        live.model().backward(hidden, dNormed, states, pass.pass(), ws);
        pass.scatterGradients();
        update();
        ws.release(mark);
        memory.release(start);
        return loss;
    }

    private Gates ones(float value) {
        List<Tensor> heads = new ArrayList<>();
        List<Tensor> ffn = new ArrayList<>();
        for (LayerShape layer : model.shape().layers()) {
            heads.add(filled(layer.heads(), value));
            ffn.add(filled(layer.ffn(), value));
        }
        return new Gates(heads, ffn, filled(model.shape().hidden(), value), Set.of(), 0);
    }

    private Tensor filled(int cols, float value) {
        Tensor tensor = memory.take(1, cols);
        ops.fill(tensor, value);
        return tensor;
    }

    @Override
    public void close() {
        live.close();
        optimiser.close();
        student.close();
        teacher.close();
        ws.close();
        memory.close();
        packed.close();
    }
}
