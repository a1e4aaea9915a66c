package espalier.cli;

import java.util.List;

/// Ends a streamed text before the first of some strings. What might become one of them is held back until it is
/// settled, so that nothing is shown that does not belong to the text.
final class StopStrings {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean reached;

    /// @param stops none empty
    StopStrings(List<String> stops) {
        if (stops.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException("--stop must not be empty");
        }
        this.stops = List.copyOf(stops);
    }

    /// @param text that was added
    /// @return what is settled now
    String accept(String text) {
        if (reached) {
            return "";
        }
        held.append(text);
        int end = Integer.MAX_VALUE;
        for (String stop : stops) {
            int found = held.indexOf(stop);
            end = found < 0 ? end : Math.min(end, found);
        }
        reached = end != Integer.MAX_VALUE;
        return take(reached ? end : held.length() - undecided());
    }

    /// @return whether the text ended before a stop string
    boolean reached() {
        return reached;
    }

    /// @return what was held back, now that nothing follows
    String finish() {
        return reached ? "" : take(held.length());
    }

    private String take(int length) {
        String settled = held.substring(0, length);
        held.delete(0, length);
        return settled;
    }

    /// @return length of the longest end of the held text that a stop string starts with
    private int undecided() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
                if (stop.startsWith(held.substring(held.length() - length))) {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
