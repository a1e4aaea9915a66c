package espalier.engine.prune;

import espalier.engine.model.Space;
import espalier.kernels.Check;
import java.util.List;

/// Weights that can only be removed together, unit by unit. LLM-Pruner (arXiv 2305.11627), section 3.1.
///
/// @param kind what a unit is
/// @param layer 0-based decoder layer, or [Space#WHOLE_MODEL]
/// @param units number of units, at least 1
/// @param unitWidth channels of the root axis that make a unit: `headDim` for heads, otherwise 1
/// @param members the axes cut, each once; the root first, then in the order in which a forward pass reads them
/// @param last index in `members` of the matrix that a forward pass reads last: o_proj, down_proj or lm_head
public record Group(Kind kind, int layer, int units, int unitWidth, List<Member> members, int last) {
    /// What a unit of a group is.
    public enum Kind {
        /// One query head with its own key/value head.
        HEADS("heads"),
        /// One key/value head with all query heads that read it.
        KV_GROUPS("key/value groups"),
        /// One channel inside a feed-forward block.
        FFN("FFN channels"),
        /// One residual channel of the whole model.
        HIDDEN("hidden channels");

        private final String label;

        Kind(String label) {
            this.label = label;
        }

        /// @return whether units are removed from an attention block
        public boolean isAttention() {
            return this == HEADS || this == KV_GROUPS;
        }

        /// @return units of this kind in words
        public String label() {
            return label;
        }
    }

    /// Checks ranges and that the root has one channel for each channel of each unit.
    public Group {
        Check.positive("units", units);
        Check.positive("unit width", unitWidth);
        members = List.copyOf(members);
        if (members.isEmpty() || members.getFirst().length() != units * unitWidth || !members.getFirst().scored()) {
            throw new IllegalArgumentException("a group of %d units of %d channels cannot have the members %s"
                    .formatted(units, unitWidth, members.stream().map(Member::label).toList()));
        }
        if (!members.get(last).scored()) {
            throw new IllegalArgumentException(members.get(last).label() + " is not scored and cannot be the last");
        }
    }

    /// @return the axis that units are counted on: q_proj or k_proj rows, gate_proj rows, embedding columns
    public Member root() {
        return members.getFirst();
    }

    /// @return members that count towards importance, in order: those that a scorer must deliver vectors for
    public List<Member> scored() {
        return members.stream().filter(Member::scored).toList();
    }

    /// @param member a member of this group
    /// @return `[units]`, how many of its channels each unit holds
    public int[] channelsPerUnit(Member member) {
        int[] channels = new int[units];
        for (int rootChannel : member.rootChannelOf()) {
            channels[rootChannel / unitWidth]++;
        }
        return channels;
    }

    /// @return what and where the group is, for messages: `FFN channels of layer 3`
    public String name() {
        return kind.label() + (layer == Space.WHOLE_MODEL ? "" : " of layer " + layer);
    }
}
