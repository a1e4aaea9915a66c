package espalier.engine.masked;

import static espalier.engine.testing.Compare.relativeError;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import espalier.engine.adapt.LoraState;
import espalier.engine.gates.DeterministicMask;
import espalier.engine.gates.GateBlock;
import espalier.engine.gates.GateLayout;
import espalier.engine.gates.GateMask;
import espalier.engine.gates.GateSample;
import espalier.engine.gates.GateSettings;
import espalier.engine.gates.GateSettings.Enabling;
import espalier.engine.gates.GateSettings.HeadUnit;
import espalier.engine.gates.InitialGates;
import espalier.engine.gates.MaskValues;
import espalier.engine.gates.WidthRule;
import espalier.engine.model.Adapters;
import espalier.engine.model.Batch;
import espalier.engine.model.Gates;
import espalier.engine.model.Hidden;
import espalier.engine.model.HostCopy;
import espalier.engine.model.Keep;
import espalier.engine.model.LayerRange;
import espalier.engine.model.LiveModel;
import espalier.engine.model.LivePass;
import espalier.engine.model.Model;
import espalier.engine.model.Parameter;
import espalier.engine.model.Pass;
import espalier.engine.testing.RandomModel;
import espalier.engine.train.Examples;
import espalier.engine.train.Objective;
import espalier.engine.weights.LayerShape;
import espalier.kernels.Backends;
import espalier.kernels.Ops;
import espalier.kernels.Philox;
import espalier.kernels.Tensor;
import espalier.kernels.Workspace;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// Losses and gradients of single micro-batches (nuteprune.md §10, checks 3 to 6; l0-masks.md §5 on skipped work).
class MaskedLossTest {
    private static final double TAU = 2.0 / 3;

    private Ops ops;
    private RandomModel random;
    private Model model;

    @BeforeEach
    void open() {
        ops = Backends.open(Backends.Choice.VECTOR, 2);
        random = new RandomModel(Runs.SHAPE, 5);
        model = Model.load(random, Runs.SHAPE, ops);
    }

    @AfterEach
    void close() {
        model.close();
        random.close();
        ops.close();
    }

    /// Gates of which many are at 0, adapters that do something.
    private static MaskTraining.Request request(MaskMethod method) {
        LoraState adapters = LoraState.initial(Runs.SHAPE, Runs.LORA, 3);
        adapters.factors().forEach(factors -> Arrays.fill(factors.b(), 0.05f));
        MaskTraining.Request request = Runs.request(method, 0.3, 100, 50);
        return Runs.with(request, Optional.of(adapters), new InitialGates(0.5, 1.5, false));
    }

    private record Result(double loss, List<float[]> gradients) {}

    private Result train(
            LiveModel live, MaskTraining.Request request, Examples examples, int rows, double scale) throws IOException {
        try (Student student = Student.of(live, request, SnapshotStore.inMemory());
                MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace())) {
            Objective.LossSum sum = loss.train(new Objective.MicroBatch(examples, 60, 0, rows, scale));
            List<float[]> gradients = new ArrayList<>();
            for (Parameter parameter : loss.parameters()) {
                gradients.add(HostCopy.of(ops, parameter.gradient()));
            }
            return new Result(sum.mean(), gradients);
        }
    }

    /// compresso.md check 2, and l0-masks.md check 9: a student without masks, or under masks that are all ones, with
    /// adapters whose B is 0, is the base.
    @Test
    void bypassedMasksAndNewAdaptersChangeNothing() throws IOException {
        MaskTraining.Request request = Runs.request(new MaskMethod.Compresso(10), 0.3, 100, 50);
        Examples examples = Runs.examples(3, 12, 5);
        int layers = Runs.SHAPE.layers().size();
        float[] base = HostCopy.logits(model, examples.batch(), Pass.plain(layers));
        try (Student student = Student.of(model, request, SnapshotStore.inMemory());
                MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace());
                Workspace ws = ops.newWorkspace()) {
            Adapters adapters = student.adapters().orElseThrow().frozenAdapters();
            for (Gates gates : List.of(Gates.open(layers), UploadedMasks.upload(ones(), Runs.SHAPE, ops, ws))) {
                LivePass live = student.live().begin(Pass.frozen(gates, adapters), ws);
                assertArrayEquals(base, HostCopy.logits(student.live().model(), examples.batch(), live.pass()));
            }
            Hidden hidden = model.forward(examples.batch(), Pass.plain(layers), Keep.NOTHING, ws);
            double expected = model.lmHead().loss(hidden, examples.targets(), ws).sum();
            assertEquals(expected, loss.evaluate(examples).sum());
            Objective.MicroBatch first = new Objective.MicroBatch(examples, 0, 0, 3, 1.0 / examples.labels());
            assertEquals(expected / examples.labels(), loss.train(first).mean(), 1e-6, "a step without masks");
            Objective.MicroBatch masked = new Objective.MicroBatch(examples, 10, 0, 3, 1.0 / examples.labels());
            assertNotEquals(expected / examples.labels(), loss.train(masked).mean(), 1e-4, "the first with masks");
        }
    }

    private static MaskValues ones() {
        int layers = Runs.SHAPE.layers().size();
        LayerShape layer = Runs.SHAPE.layers().getFirst();
        return new MaskValues(
                Collections.nCopies(layers, filled(layer.heads())),
                Collections.nCopies(layers, filled(layer.ffn())),
                filled(Runs.SHAPE.hidden()));
    }

    private static float[] filled(int length) {
        float[] ones = new float[length];
        Arrays.fill(ones, 1);
        return ones;
    }

    /// What is multiplied by 0 is left out: the same gradients of log-alphas and adapters.
    @Test
    void skippingChangesNoGradient() throws IOException {
        for (MaskMethod method : List.of(new MaskMethod.Compresso(0), MaskMethod.NutePrune.RELEASED)) {
            MaskTraining.Request request = request(method);
            Examples examples = Runs.examples(3, 12, 5);
            Result whole = train(LiveModel.leavingNothingOut(model), request, examples, 3, 1.0 / examples.labels());
            Result skipping = train(new LiveModel(model), request, examples, 3, 1.0 / examples.labels());
            assertEquals(whole.loss, skipping.loss, 1e-6 * whole.loss);
            int last = whole.gradients.size() - 1;
            for (int i = 0; i <= last; i++) {
                double error = relativeError(skipping.gradients.get(i), whole.gradients.get(i));
                assertTrue(error < 3e-6, "gradient " + i + " differs by " + error);
            }
            long open = count(whole.gradients.get(last), value -> value != 0);
            assertTrue(open > 10, "gates with a gradient: " + open);
            for (int i = 0; i < whole.gradients.get(last).length; i++) {
                boolean isZero = whole.gradients.get(last)[i] == 0;
                assertEquals(isZero, skipping.gradients.get(last)[i] == 0, "gate " + i);
            }
        }
    }

    /// Under a gate over a layer that is trained, values at 0 count: its gradient is a sum over them.
    @ParameterizedTest
    @EnumSource(names = {"LAYER", "ATTENTION_AND_MLP"})
    void skippingLeavesTheGradientsOfGatesOverLayers(Enabling enabling) throws IOException {
        for (MaskMethod method : List.of(new MaskMethod.Compresso(0), MaskMethod.NutePrune.RELEASED)) {
            MaskTraining.Request request = Runs.with(request(method), layerGates(enabling));
            Objective.MicroBatch part = part(Runs.examples(3, 12, 5));
            float[] whole = gateGradients(LiveModel.leavingNothingOut(model), request, part);
            float[] skipping = gateGradients(new LiveModel(model), request, part);
            double error = relativeError(skipping, whole);
            assertTrue(error < 3e-6, "gradients differ by " + error);
            GateLayout layout = new GateLayout(Runs.SHAPE, request.gates());
            assertTrue(
                    enabling(layout).anyMatch(block -> whole[block.offset()] != 0),
                    "a gate over a layer has a gradient");
        }
    }

    private static GateSettings layerGates(Enabling enabling) {
        return new GateSettings(true, true, true, HeadUnit.HEAD, enabling, new LayerRange(0, 3));
    }

    private static Stream<GateBlock> enabling(GateLayout layout) {
        return layout.blocks().stream().filter(block -> block.family().isEnabling());
    }

    private static Objective.MicroBatch part(Examples examples) {
        return new Objective.MicroBatch(examples, 60, 0, examples.size(), 1.0 / examples.labels());
    }

    private float[] gateGradients(LiveModel live, MaskTraining.Request request, Objective.MicroBatch part)
            throws IOException {
        try (Student student = Student.of(live, request, SnapshotStore.inMemory());
                MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace())) {
            spread(student.gates(), new GateLayout(Runs.SHAPE, request.gates()));
            loss.train(part);
            return HostCopy.of(ops, student.gates().gradients().gradient());
        }
    }

    /// Log-alphas of which a draw has gates of units at 0, at 1 and between, and gates over layers just below a half,
    /// in the second layer, and just above.
    private static void spread(TrainedGates gates, GateLayout layout) {
        Philox random = new Philox(4, 4);
        for (GateBlock block : layout.blocks()) {
            for (int i = block.offset(); i < block.end(); i++) {
                double wanted = block.family().isEnabling() ? -5 : 4 * random.uniform(i) - 2.5;
                shift(gates, i, wanted - gates.logAlpha()[i]);
            }
        }
        enabling(layout).forEach(block -> {
            while (gates.sample(60, 0).mask().gates()[block.offset()] == 0) {
                shift(gates, block.offset(), 0.05);
            }
            shift(gates, block.offset(), block.layer() == 1 ? -0.1 : 0);
        });
        GateSample draw = gates.sample(60, 0);
        assertEquals(Set.of(0, 1, 2), draw.layersUnderTrainedGates());
        assertTrue(
                hasZero(draw.mask().values(), 0) || hasZero(draw.mask().values(), 2),
                "a head is at 0 under a gate that is trained");
        assertArrayEquals(new int[] {0, 2}, IntStream.range(0, 3).filter(draw.mask()::prunesFfn).toArray());
    }

    private static boolean hasZero(MaskValues values, int layer) {
        return count(values.heads().get(layer), value -> value == 0) > 0;
    }

    private interface FloatTest {
        boolean of(float value);
    }

    private static long count(float[] values, FloatTest test) {
        long count = 0;
        for (float value : values) {
            count += test.of(value) ? 1 : 0;
        }
        return count;
    }

    /// The gradient of a log-alpha is the slope of the loss at a fixed draw.
    @Test
    void gateGradientsAreSlopes() throws IOException {
        MaskTraining.Request request = request(MaskMethod.NutePrune.RELEASED);
        Examples examples = Runs.examples(2, 10, 5);
        try (Student student = Student.of(model, request, SnapshotStore.inMemory());
                MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace())) {
            Objective.MicroBatch part = new Objective.MicroBatch(
                    examples, 60, 0, examples.size(), 1.0 / examples.labels());
            loss.train(part);
            float[] gradient = HostCopy.of(ops, student.gates().gradients().gradient());
            assertSlopes(student, loss, part, gradient);
        }
    }

    private static void assertSlopes(Student student, MaskedLoss loss, Objective.MicroBatch part, float[] gradient)
            throws IOException {
        double largest = 0;
        for (float value : gradient) {
            largest = Math.max(largest, Math.abs(value));
        }
        int compared = 0;
        for (int gate = 0; gate < gradient.length; gate++) {
            if (Math.abs(gradient[gate]) > largest / 10) {
                double step = 4e-3;
                double above = lossWith(student, loss, part, gate, step);
                double slope = (above - lossWith(student, loss, part, gate, -step)) / (2 * step);
                assertEquals(slope, gradient[gate], 0.02 * largest, "gate " + gate);
                compared++;
            }
        }
        assertTrue(compared >= 5, "gates compared: " + compared);
    }

    /// The same under gates over layers, of which some leave a layer's distance out. These are rounded, and have no
    /// slope to be compared with ([espalier.engine.gates.GateSampleTest]).
    @ParameterizedTest
    @EnumSource(names = {"LAYER", "ATTENTION_AND_MLP"})
    void gateGradientsUnderGatesOverLayersAreSlopes(Enabling enabling) throws IOException {
        MaskMethod layersAlone = new MaskMethod.NutePrune(0, 1, TAU, TeacherSettings.RELEASED);
        MaskTraining.Request request = Runs.with(request(layersAlone), layerGates(enabling));
        Objective.MicroBatch part = part(Runs.examples(2, 10, 5));
        try (Student student = Student.of(model, request, SnapshotStore.inMemory());
                MaskedLoss loss = new MaskedLoss(student, request, Keep.ACTIVATIONS, ops.newWorkspace())) {
            GateLayout layout = new GateLayout(Runs.SHAPE, request.gates());
            spread(student.gates(), layout);
            loss.train(part);
            float[] gradient = HostCopy.of(ops, student.gates().gradients().gradient());
            enabling(layout).forEach(block -> gradient[block.offset()] = 0);
            assertSlopes(student, loss, part, gradient);
        }
    }

    private static double lossWith(
            Student student, MaskedLoss loss, Objective.MicroBatch part, int gate, double change) throws IOException {
        shift(student.gates(), gate, change);
        double value = loss.train(part).mean();
        shift(student.gates(), gate, -change);
        return value;
    }

    private static void shift(TrainedGates gates, int gate, double change) {
        double[] now = gates.logAlpha();
        float[] logAlpha = new float[now.length];
        for (int i = 0; i < now.length; i++) {
            logAlpha[i] = (float) now[i];
        }
        logAlpha[gate] += (float) change;
        Runs.setLogAlpha(gates, logAlpha);
    }

    private static final MaskValues NO_MASK = new MaskValues(List.of(), List.of(), new float[0]);

    private Task.Found distil(
            Pass student, Pass teacher, MaskMethod.NutePrune method, Examples examples, double scale) {
        try (Workspace ws = ops.newWorkspace()) {
            Batch batch = examples.batch();
            Hidden own = model.forward(batch, student, Keep.LAYER_INPUTS, ws);
            Hidden taught = model.forward(batch, teacher, Keep.LAYER_INPUTS, ws);
            Tensor dNormed = ws.take(batch.tokens(), Runs.SHAPE.hidden());
            return DistillationTask.compare(
                    model, method, own, Optional.empty(), taught, scale * examples.labels(), dNormed, ws);
        }
    }

    /// nuteprune.md check 4.
    @Test
    void aStudentThatIsItsTeacherHasNoLoss() {
        Pass plain = Pass.plain(Runs.SHAPE.layers().size());
        Task.Found found = distil(plain, plain, MaskMethod.NutePrune.RELEASED, Runs.examples(2, 9, 3), 1);
        assertEquals(0, found.terms().get("kl"), 1e-6);
        assertEquals(0, found.terms().get("layers"));
    }

    /// nuteprune.md check 5: `tau^2 / B` times the sum over sequences and tokens, so copies of one change nothing.
    @Test
    void divergenceIsSummedOverTokens() {
        try (Workspace ws = ops.newWorkspace()) {
            Pass teacher = Pass.plain(Runs.SHAPE.layers().size());
            Pass student = Pass.frozen(UploadedMasks.upload(mask(0), Runs.SHAPE, ops, ws), teacher.adapters());
            Examples one = Runs.examples(1, 9, 3);
            Examples two = new Examples(List.of(one.get(0), one.get(0)));
            double kl = distil(student, teacher, MaskMethod.NutePrune.RELEASED, one, 1).terms().get("kl");
            double same = distil(student, teacher, MaskMethod.NutePrune.RELEASED, two, 1).terms().get("kl");
            assertEquals(kl, same, 1e-6 * kl, "copies of a sequence are as far from their teacher as one");
            Batch batch = one.batch();
            float[] own = HostCopy.logits(model, batch, student);
            float[] taught = HostCopy.logits(model, batch, teacher);
            assertEquals(TAU * TAU * divergence(taught, own), kl, 1e-5 * kl);
        }
    }

    private static double divergence(float[] teacher, float[] student) {
        int vocab = Runs.SHAPE.vocab();
        double sum = 0;
        for (int from = 0; from < teacher.length; from += vocab) {
            double[] p = logSoftmax(teacher, from, vocab);
            double[] q = logSoftmax(student, from, vocab);
            for (int i = 0; i < vocab; i++) {
                sum += Math.exp(p[i]) * (p[i] - q[i]);
            }
        }
        return sum;
    }

    private static double[] logSoftmax(float[] logits, int from, int count) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, logits[from + i] / TAU);
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.exp(logits[from + i] / TAU - largest);
        }
        double[] result = new double[count];
        for (int i = 0; i < count; i++) {
            result[i] = logits[from + i] / TAU - largest - Math.log(sum);
        }
        return result;
    }

    /// One hidden channel at a value.
    private static MaskValues mask(float value) {
        float[] hidden = new float[Runs.SHAPE.hidden()];
        Arrays.fill(hidden, 1);
        hidden[3] = value;
        return new MaskValues(NO_MASK.heads(), NO_MASK.ffn(), hidden);
    }

    /// nuteprune.md check 6: what the student dropped is not compared, raw states are, and of the last layer the norm's
    /// output; the embedding is not.
    @Test
    void layersAreComparedWhereTheStudentIsNotZero() {
        try (Workspace ws = ops.newWorkspace()) {
            Pass teacher = Pass.plain(Runs.SHAPE.layers().size());
            Pass student = Pass.frozen(UploadedMasks.upload(mask(0), Runs.SHAPE, ops, ws), teacher.adapters());
            Examples examples = Runs.examples(2, 7, 3);
            Hidden own = model.forward(examples.batch(), student, Keep.LAYER_INPUTS, ws);
            Hidden taught = model.forward(examples.batch(), teacher, Keep.LAYER_INPUTS, ws);
            int layers = Runs.SHAPE.layers().size();
            double expected = meanWithout(3, own.normed(), taught.normed());
            for (int state = 1; state < layers; state++) {
                expected += meanWithout(3, own.states().get(state), taught.states().get(state));
            }
            double found = distil(student, teacher, MaskMethod.NutePrune.RELEASED, examples, 1).terms().get("layers");
            assertEquals(expected, found, 1e-6 * expected);
        }
    }

    /// nuteprune.md §1: a layer whose FFN's gate, or whose own, is 0 is left out of the sum, the last one too; one
    /// whose attention alone is dense, or that has no gate over it, is not.
    @ParameterizedTest
    @CsvSource({
        // kind of gates, first gated layer, those closed, layers compared
        "LAYER, 0, 1:layer, 0 2",
        "LAYER, 0, 2:layer, 0 1",
        "LAYER, 1, 1:layer, 0 2",
        "LAYER, 0, 0:layer 1:layer 2:layer, ''",
        "ATTENTION_AND_MLP, 0, 1:mlp, 0 2",
        "ATTENTION_AND_MLP, 0, 1:attention, 0 1 2",
        "ATTENTION_AND_MLP, 0, 0:attention 0:mlp 2:mlp, 1",
        "ATTENTION_AND_MLP, 2, 2:attention 2:mlp, 0 1",
    })
    void layersThatMayNotBePrunedAreNotCompared(Enabling enabling, int first, String closed, String compared) {
        GateLayout layout = new GateLayout(Runs.SHAPE, new GateSettings(
                true, true, false, HeadUnit.GROUP, enabling, new LayerRange(first, 3)));
        double[] logAlpha = new double[layout.size()];
        enabling(layout).forEach(block -> {
            boolean isClosed = List.of(closed.split(" ")).contains(block.layer() + ":" + block.family().label());
            logAlpha[block.offset()] = isClosed ? -3 : 3;
        });
        GateMask gates = DeterministicMask.of(layout, logAlpha, WidthRule.FREE);
        try (Workspace ws = ops.newWorkspace()) {
            Pass teacher = Pass.plain(3);
            Pass student =
                    Pass.frozen(UploadedMasks.upload(gates.values(), Runs.SHAPE, ops, ws), teacher.adapters());
            Examples examples = Runs.examples(2, 7, 3);
            Hidden own = model.forward(examples.batch(), student, Keep.LAYER_INPUTS, ws);
            Hidden taught = model.forward(examples.batch(), teacher, Keep.LAYER_INPUTS, ws);
            Tensor dNormed = ws.take(own.normed().rows(), own.normed().cols());
            MaskMethod.NutePrune layersAlone = new MaskMethod.NutePrune(0, 1, TAU, TeacherSettings.RELEASED);
            Task.Found found = DistillationTask.compare(
                    model, layersAlone, own, Optional.of(gates), taught, 1, dNormed, ws);
            double expected = 0;
            for (int layer = 0; layer < 3; layer++) {
                boolean isCompared = List.of(compared.split(" ")).contains(Integer.toString(layer));
                boolean isLast = layer == 2;
                double distance = isLast
                        ? meanSquare(own.normed(), taught.normed())
                        : meanSquare(own.states().get(layer + 1), taught.states().get(layer + 1));
                expected += isCompared ? distance : 0;
                Tensor d = isLast ? dNormed : ws.takeZeros(dNormed.rows(), dNormed.cols());
                found.states().add(layer + 1, d);
                long reached = count(HostCopy.of(ops, d), value -> value != 0);
                assertEquals(isCompared && distance > 0, reached > 0, "gradients of layer " + layer);
            }
            assertEquals(expected, found.terms().get("layers"), 1e-6 * expected);
            assertEquals(expected, found.mean(), 1e-6 * expected);
        }
    }

    private double meanSquare(Tensor own, Tensor taught) {
        float[] a = HostCopy.of(ops, own);
        float[] b = HostCopy.of(ops, taught);
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
        }
        return sum / a.length;
    }

    private double meanWithout(int channel, Tensor own, Tensor taught) {
        float[] a = HostCopy.of(ops, own);
        float[] b = HostCopy.of(ops, taught);
        double sum = 0;
        int count = 0;
        for (int i = 0; i < a.length; i++) {
            if (i % own.cols() == channel) {
                assertEquals(0, a[i]);
            } else {
                sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
                count++;
            }
        }
        return sum / count;
    }

    /// Cross-entropy counts by labels, distillation by sequences, however many labels they have.
    @Test
    void partsOfABatchCountByTheirShare() throws IOException {
        for (MaskMethod method : List.of(new MaskMethod.Compresso(0), MaskMethod.NutePrune.RELEASED)) {
            MaskTraining.Request request = request(method);
            Examples part = Runs.examples(3, 12, 5);
            long labels = part.labels();
            Result alone = train(new LiveModel(model), request, part, 3, 1.0 / labels);
            // The same three sequences, of four, the fourth with as many labels as all of these.
            Result among = train(new LiveModel(model), request, part, 4, 0.5 / labels);
            double share = method instanceof MaskMethod.Compresso ? 0.5 : 0.75;
            assertEquals(share * alone.loss, among.loss * 0.5, 1e-9 * alone.loss);
            for (int i = 0; i < alone.gradients.size(); i++) {
                float[] scaled = among.gradients.get(i).clone();
                for (int j = 0; j < scaled.length; j++) {
                    scaled[j] /= (float) share;
                }
                double error = relativeError(scaled, alone.gradients.get(i));
                assertTrue(error < 1e-5, "gradient " + i + " differs by " + error);
            }
        }
    }

    /// nuteprune.md check 3: a teacher's pass changes nothing of the student, nor gets a gradient.
    @Test
    void teachingLeavesTheStudent() throws IOException {
        MaskTraining.Request request = request(MaskMethod.NutePrune.RELEASED);
        Examples examples = Runs.examples(2, 12, 5);
        try (Student student = Student.of(model, request, SnapshotStore.inMemory());
                Workspace ws = ops.newWorkspace()) {
            double[] logAlpha = student.gates().logAlpha();
            MaskValues draw = student.gates().sample(60, 0).mask().values();
            List<float[]> before = values(student);
            student.task().prepare(new Objective.MicroBatch(examples, 60, 0, 2, 1), ws);
            assertArrayEquals(logAlpha, student.gates().logAlpha());
            assertEquals(draw, student.gates().sample(60, 0).mask().values());
            List<float[]> after = values(student);
            for (int i = 0; i < before.size(); i++) {
                assertArrayEquals(before.get(i), after.get(i));
            }
        }
    }

    /// Values and gradients.
    private List<float[]> values(Student student) {
        List<float[]> all = new ArrayList<>();
        for (Parameter parameter : student.adapterParameters()) {
            all.add(HostCopy.of(ops, parameter.value()));
            all.add(HostCopy.of(ops, parameter.gradient()));
        }
        return all;
    }
}
