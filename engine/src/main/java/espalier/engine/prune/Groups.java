package espalier.engine.prune;

import espalier.engine.model.Axis;
import espalier.engine.model.ChannelGraph;
import espalier.engine.model.Space;
import espalier.engine.model.Step;
import espalier.engine.model.Step.Carrier;
import espalier.engine.model.Step.Signal;
import espalier.engine.model.Step.Tie;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Finds the weights that can only be removed together. LLM-Pruner (arXiv 2305.11627), section 3.1.
///
/// The rule: if a channel is fed by one channel only, or feeds one only, the two leave together. Matrices stop it,
/// since each of their outputs is fed by every input; norms and element-wise operations pass it on in both
/// directions, and the repeat of keys and values passes it on through its index map. A group is the closure of the
/// rule from any of its channels, over the whole [ChannelGraph].
///
/// @param all every group of a model that may be pruned, in the order in which a forward pass meets them. A layer
///     without heads, or without FFN channels, has no group of that kind.
public record Groups(List<Group> all) {
    /// Copies the list.
    public Groups {
        all = List.copyOf(all);
    }

    /// @param graph the model
    /// @return its groups
    public static Groups of(ChannelGraph graph) {
        Wiring wiring = Wiring.of(graph);
        List<Group> groups = new ArrayList<>();
        Set<Signal> visited = new HashSet<>();
        for (Carrier carrier : wiring.carriers()) {
            Signal signal = carrier.signal();
            if (signal.space().kind().prunable() && signal.width() > 0 && visited.add(signal)) {
                Set<Signal> tied = wiring.tiedTo(signal);
                visited.addAll(tied);
                groups.add(wiring.close(tied));
            }
        }
        return new Groups(groups);
    }

    /// @param graph the model
    /// @param tensor a tensor's name
    /// @param axis one of its axes
    /// @param channel index along the axis
    /// @return the group whose units the removal of this channel would force out
    /// @throws IllegalArgumentException if there is no such channel, or it may not be removed
    public static Group closure(ChannelGraph graph, String tensor, Axis axis, int channel) {
        Wiring wiring = Wiring.of(graph);
        for (Carrier carrier : wiring.carriers()) {
            int index = channel - carrier.offset();
            if (carrier.tensor().name().equals(tensor)
                    && carrier.axis() == axis
                    && index >= 0
                    && index < carrier.signal().width()
                    && carrier.signal().space().kind().prunable()) {
                return wiring.close(wiring.tiedTo(carrier.signal()));
            }
        }
        throw new IllegalArgumentException("%s of %s, which is %s, has no prunable channel %d"
                .formatted(axis, tensor, graph.tensor(tensor).dims(), channel));
    }

    /// @param kind what units are
    /// @return the groups of this kind, by layer
    public List<Group> of(Group.Kind kind) {
        return all.stream().filter(group -> group.kind() == kind).toList();
    }

    /// Renders the groups, one line for each run of layers whose groups are alike:
    ///
    /// ```
    /// layers 0..31   FFN channels      11008 units of 1 channel: gate_proj rows, up_proj rows, down_proj columns
    /// ```
    ///
    /// @return lines, each ending in a newline
    public String describe() {
        StringBuilder text = new StringBuilder();
        for (Group.Kind kind : Group.Kind.values()) {
            List<Group> groups = of(kind);
            for (int first = 0; first < groups.size(); ) {
                String description = describe(groups.get(first));
                int end = first + 1;
                while (end < groups.size()
                        && groups.get(end).layer() == groups.get(end - 1).layer() + 1
                        && describe(groups.get(end)).equals(description)) {
                    end++;
                }
                int from = groups.get(first).layer();
                int to = groups.get(end - 1).layer();
                String where = from == Space.WHOLE_MODEL
                        ? "whole model"
                        : from == to ? "layer " + from : "layers %d..%d".formatted(from, to);
                text.append("%-15s%-18s%s\n".formatted(where, kind.label(), description));
                first = end;
            }
        }
        return text.toString();
    }

    private static String describe(Group group) {
        Map<String, Integer> labels = new LinkedHashMap<>();
        int[] widest = group.channelsPerUnit(group.root());
        for (Member member : group.members()) {
            labels.merge(member.label(), 1, Integer::sum);
            if (member.length() > Arrays.stream(widest).sum()) {
                widest = group.channelsPerUnit(member);
            }
        }
        List<String> members = labels.entrySet().stream()
                .map(label -> label.getKey() + (label.getValue() == 1 ? "" : " x" + label.getValue()))
                .toList();
        String queries = "";
        if (group.kind() == Group.Kind.KV_GROUPS) {
            int[] heads = Arrays.stream(widest).map(channels -> channels / group.unitWidth()).toArray();
            boolean equal = Arrays.stream(heads).distinct().count() == 1;
            queries = " with " + (equal ? heads[0] : Arrays.toString(heads)) + " query heads";
        }
        return "%d units of %d channel%s%s: %s"
                .formatted(
                        group.units(),
                        group.unitWidth(),
                        group.unitWidth() == 1 ? "" : "s",
                        queries,
                        String.join(", ", members));
    }

    /// A graph indexed for the closure.
    private record Wiring(List<Carrier> carriers, Map<Signal, List<Tie>> ties) {
        static Wiring of(ChannelGraph graph) {
            List<Carrier> carriers = new ArrayList<>();
            Map<Signal, List<Tie>> ties = new HashMap<>();
            for (Step step : graph.steps()) {
                carriers.addAll(step.carriers());
                for (Tie tie : step.ties()) {
                    ties.computeIfAbsent(tie.from(), _ -> new ArrayList<>()).add(tie);
                    ties.computeIfAbsent(tie.to(), _ -> new ArrayList<>()).add(tie);
                }
            }
            return new Wiring(carriers, ties);
        }

        /// All signals that share channels with this one, itself included.
        Set<Signal> tiedTo(Signal trigger) {
            Set<Signal> reached = new HashSet<>(Set.of(trigger));
            Deque<Signal> open = new ArrayDeque<>(reached);
            while (!open.isEmpty()) {
                for (Tie tie : tiesOf(open.pop())) {
                    for (Signal end : List.of(tie.from(), tie.to())) {
                        if (reached.add(end)) {
                            open.push(end);
                        }
                    }
                }
            }
            return reached;
        }

        Group close(Set<Signal> tied) {
            List<Carrier> carried =
                    carriers.stream().filter(carrier -> tied.contains(carrier.signal())).toList();
            Carrier root = carried.getFirst();
            for (Carrier carrier : carried) {
                if (carrier.signal().width() < root.signal().width()) {
                    root = carrier;
                }
            }
            int unitWidth = tied.stream()
                    .flatMap(signal -> tiesOf(signal).stream())
                    .mapToInt(Tie::unit)
                    .max()
                    .orElse(1);
            Map<Signal, int[]> rootChannels = rootChannels(root.signal());
            Map<List<Object>, Member> members = new LinkedHashMap<>();
            members.put(key(root), member(root, rootChannels));
            List<Object> last = key(root);
            for (Carrier carrier : carried) {
                members.putIfAbsent(key(carrier), member(carrier, rootChannels));
                if (carrier.scored() && !carrier.tensor().isVector()) {
                    last = key(carrier);
                }
            }
            return new Group(
                    kind(root.signal().space()),
                    root.signal().space().layer(),
                    root.signal().width() / unitWidth,
                    unitWidth,
                    List.copyOf(members.values()),
                    List.copyOf(members.keySet()).indexOf(last));
        }

        /// For every tied signal, the channel of the root that each of its channels leaves with. Starting at the
        /// narrowest signal, a repeat never has to choose between several.
        private Map<Signal, int[]> rootChannels(Signal root) {
            int[] own = new int[root.width()];
            Arrays.setAll(own, channel -> channel);
            Map<Signal, int[]> channels = new HashMap<>(Map.of(root, own));
            Deque<Signal> open = new ArrayDeque<>(List.of(root));
            while (!open.isEmpty()) {
                Signal known = open.pop();
                for (Tie tie : tiesOf(known)) {
                    Signal other = tie.from().equals(known) ? tie.to() : tie.from();
                    if (!channels.containsKey(other)) {
                        channels.put(other, across(tie, known, channels.get(known)));
                        open.push(other);
                    }
                }
            }
            return channels;
        }

        private static int[] across(Tie tie, Signal known, int[] channels) {
            if (tie.source() instanceof Step.Source.Same) {
                return channels;
            }
            if (tie.from().equals(known)) {
                int[] wider = new int[tie.to().width()];
                Arrays.setAll(wider, channel -> channels[tie.source().of(channel)]);
                return wider;
            }
            int[] narrower = new int[tie.from().width()];
            Arrays.fill(narrower, -1);
            for (int channel = 0; channel < channels.length; channel++) {
                int source = tie.source().of(channel);
                if (narrower[source] != -1 && narrower[source] != channels[channel]) {
                    throw new IllegalArgumentException(
                            "channel %d of %s would leave with channels %d and %d of the root of its group"
                                    .formatted(source, tie.from().space(), narrower[source], channels[channel]));
                }
                narrower[source] = channels[channel];
            }
            return narrower;
        }

        private List<Tie> tiesOf(Signal signal) {
            return ties.getOrDefault(signal, List.of());
        }

        private static List<Object> key(Carrier carrier) {
            return List.of(carrier.tensor().name(), carrier.axis(), carrier.offset());
        }

        private static Member member(Carrier carrier, Map<Signal, int[]> rootChannels) {
            return new Member(
                    carrier.tensor().name(),
                    carrier.axis(),
                    carrier.offset(),
                    rootChannels.get(carrier.signal()),
                    carrier.scored());
        }

        private static Group.Kind kind(Space root) {
            return switch (root.kind()) {
                case QUERY -> Group.Kind.HEADS;
                case KV -> Group.Kind.KV_GROUPS;
                case FFN -> Group.Kind.FFN;
                case HIDDEN -> Group.Kind.HIDDEN;
                case VOCAB, HEAD -> throw new IllegalArgumentException(root + " is never pruned");
            };
        }
    }
}
