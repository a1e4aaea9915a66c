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
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.util.List;
import java.util.Set;
import java.util.function.DoubleSupplier;

/// Whole steps of a model, as methods take them, with useful arithmetic counted: recomputation is not. NutePrune's is
/// [NutePruneRun].
final class Steps implements MeasuredRun {
    private static final int RANK = 8;
    private static final Set<Site> SITES = Set.of(Site.Q_PROJ, Site.V_PROJ);
    /// Of every step that trains adapters.
    static final LoraSettings ADAPTERS = LoraSettings.of(RANK, RANK, 0, SITES);

    private final ModelFolder folder;
    private final Kind kind;
    private final PackedModel packed;
    private final Model model;
    private final Ops ops;
    private final Workspace ws;
    private final int[][] samples;
    private final Batch batch;
    private final StepPlan plan;
    private final Gates open;
    private final LoraWeights student;
    private final AdamW optimiser;
    private final UsefulFlops useful;
    private double first = Double.NaN;
    private double last;

    /// The steps there are.
    enum Kind {
        /// A forward with the vocabulary at every position.
        PREFILL,
        /// Cross-entropy, backward into adapters of q_proj and v_proj, AdamW.
        LORA,
        /// LLM-Pruner's gradients, reduced to the importance of heads and FFN channels.
        IMPORTANCE
    }

    /// @param folder the model, of any weights; closed by its owner
    /// @param kind which step
    /// @param sequences of the batch
    /// @param tokens of each
    /// @param memory bytes that the process may use
    /// @throws IllegalArgumentException if they do not suffice
    Steps(ModelFolder folder, Kind kind, int sequences, int tokens, long memory) {
        this.folder = folder;
        this.kind = kind;
        Workload work = work(folder, kind, sequences, tokens);
        this.plan = kind == Kind.PREFILL ? prefillPlan(work, memory) : StepPlan.choose(work, memory);
        this.packed = PackedModel.of(folder.model(), plan.mostCopyBytes());
        this.model = packed.model();
        this.ops = model.ops();
        this.ws = kind == Kind.LORA ? work.workspace(plan.keep(), ops) : ops.newWorkspace();
        this.samples = samples(model.shape().vocab(), sequences, tokens);
        this.batch = Batch.of(samples);
        this.open = Gates.open(model.shape().layers().size());
        this.useful = UsefulFlops.whole(model.shape(), sequences, tokens);
        this.student = LoraWeights.trained(LoraState.initial(model.shape(), ADAPTERS, 1), ops);
        LearningRate rate = new LearningRate(1e-3, LearningRate.Shape.CONSTANT, 0, 1);
        this.optimiser =
                new AdamW(List.of(new AdamW.Group(student.parameters(), AdamW.Settings.DEFAULT, rate)), ops);
    }

    /// @param vocab of the model
    /// @param sequences how many
    /// @param tokens of each
    /// @return `[sequences][tokens]`, random and the same for the same arguments
    static int[][] samples(int vocab, int sequences, int tokens) {
        int[][] samples = new int[sequences][tokens];
        for (int s = 0; s < sequences; s++) {
            for (int i = 0; i < tokens; i++) {
                samples[s][i] = new Philox(1, s).below(i, vocab);
            }
        }
        return samples;
    }

    private static Workload work(ModelFolder folder, Kind kind, int sequences, int tokens) {
        ModelShape shape = folder.model().shape();
        long weights = folder.checkpoint().bytes();
        Workload plain = Workload.of(shape, (long) sequences * tokens, weights).withSequences(tokens);
        Workload work = switch (kind) {
            case PREFILL -> plain;
            case LORA -> plain.withAdapters(new Workload.AdaptersPerLayer(SITES, RANK, false));
            case IMPORTANCE -> PruningMemory.scoring(architecture(folder), shape, weights, sequences, tokens);
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

    @Override
    public String plan() {
        return plan.describe(model.shape().layers().size());
    }

    @Override
    public int tokens() {
        return batch.tokens();
    }

    @Override
    public double usefulFlops() {
        return switch (kind) {
            case PREFILL -> useful.forward();
            case LORA -> useful.forward() + useful.inputs();
            case IMPORTANCE -> useful.forward() + useful.inputs() + useful.layerWeights();
        };
    }

    /// A step that is repeated gives the same answer; one that trains gives a smaller one.
    @Override
    public void run(int repeats, Watch watch) {
        DoubleSupplier step = step();
        for (int i = 0; i < repeats; i++) {
            long start = System.nanoTime();
            last = step.getAsDouble();
            watch.step((System.nanoTime() - start) * 1e-9, last);
            first = Double.isNaN(first) ? last : first;
        }
        if (!(kind == Kind.LORA ? last <= first : last == first)) {
            throw new AssertionError("%s: %s after %s".formatted(kind, last, first));
        }
    }

    /// @return one step, which returns a loss, or for prefill the sum of the last logits
    private DoubleSupplier step() {
        return switch (kind) {
            case PREFILL -> this::prefill;
            case LORA -> this::lora;
            case IMPORTANCE -> this::importance;
        };
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

    @Override
    public void close() {
        optimiser.close();
        student.close();
        ws.close();
        packed.close();
    }
}
