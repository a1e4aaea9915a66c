package espalier.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

class StepPlanTest {
    private static final ModelShape SHAPE = Shapes.documented("smollm2-135m");
    private static final long WEIGHTS = 269_000_000;
    private static final Workload NUTEPRUNE = Workload.of(SHAPE, 4 * 512, WEIGHTS)
            .withCopies(WEIGHTS)
            .withAdapters(new Workload.AdaptersPerLayer(Set.of(Site.Q_PROJ, Site.V_PROJ), 8, false))
            .withGates()
            .withTeacher();

    @Test
    void withoutALimitEverythingIsKeptAndPacked() {
        StepPlan plan = StepPlan.choose(NUTEPRUNE, Long.MAX_VALUE);
        assertTrue(plan.isPacked());
        assertEquals(30, plan.keep().lastLayers());
        assertEquals(plan, StepPlan.choose(NUTEPRUNE, plan.memory().total()), "that much is enough");
        assertFalse(plan.equals(StepPlan.choose(NUTEPRUNE, plan.memory().total() - 1)), "less is not");
    }

    @Test
    void moreMemoryKeepsMore() {
        long least = StepPlan.smallest(NUTEPRUNE).total();
        int before = 0;
        for (long limit = least; limit < least + 2_500_000_000L; limit += 50_000_000) {
            StepPlan plan = StepPlan.choose(NUTEPRUNE, limit);
            assertTrue(plan.memory().total() <= limit);
            // Copies, which count like the layers that fit in their place, save a little more than these.
            int now = plan.keep().lastLayers() + (plan.isPacked() ? 5 : 0);
            assertTrue(now >= before, now + " after " + before + " at " + limit);
            before = now;
        }
        assertEquals(35, before);
    }

    /// A pass over frozen weights that are large for its tokens keeps layers first: copies save a small share of it.
    @Test
    void copiesComeWhereTheySaveMoreThanLayers() {
        Workload large = NUTEPRUNE.withCopies(2_000_000_000L);
        long limit = StepPlan.smallest(large).total() + 2_050_000_000L;
        assertFalse(StepPlan.choose(large, limit).isPacked());
        Workload small = NUTEPRUNE.withCopies(10_000_000L);
        assertTrue(StepPlan.choose(small, StepPlan.smallest(small).total() + 50_000_000L).isPacked());
        assertFalse(StepPlan.choose(NUTEPRUNE.withCopies(0), Long.MAX_VALUE).isPacked(), "nothing to pack");
    }

    /// A part that is named like one of the plan's own does not take its place.
    @Test
    void othersAreAddedToWhatIsPlanned() {
        long least = StepPlan.smallest(NUTEPRUNE).total();
        assertEquals(least + 7, StepPlan.smallest(NUTEPRUNE.with("weights", 7)).total());
        assertThrows(UnsupportedOperationException.class, () -> NUTEPRUNE.others().put("weights", 7L));
        assertEquals("a workload of -1 tokens, 0 bytes of weights, 0 of copies, 0 of roles, {}",
                assertThrows(IllegalArgumentException.class, () -> Workload.of(SHAPE, -1, 0)).getMessage());
        assertThrows(IllegalArgumentException.class, () -> NUTEPRUNE.with("moments", -1));
    }

    @Test
    void whatDoesNotFitIsRefused() {
        long least = StepPlan.smallest(NUTEPRUNE).total();
        StepPlan plan = StepPlan.choose(NUTEPRUNE.with("moments", 7), least + 7);
        assertFalse(plan.isPacked());
        assertEquals(Keep.LAYER_INPUTS, plan.keep());
        assertEquals(7, plan.memory().parts().get("moments"));
        String message = assertThrows(IllegalArgumentException.class, () -> StepPlan.choose(NUTEPRUNE, least - 1))
                .getMessage();
        assertTrue(message.startsWith("not enough memory: the run needs"), message);
    }
}
