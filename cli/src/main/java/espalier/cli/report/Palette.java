package espalier.cli.report;

/// Colours and fonts of a picture that is a file of its own: those of [Style], on light and dark ground.
final class Palette {
    /// For the `style` element.
    static final String SHEET = """
            svg { --ground: #ffffff; --ink: #1c2126; --soft: #5c6670; --hair: #e3e6e9;
              --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #a8558a; --c4: #b8860b; --c5: #4a4f55;
              background: var(--ground); font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
              Arial, sans-serif; }
            @media (prefers-color-scheme: dark) {
              svg { --ground: #15181b; --ink: #e4e6e8; --soft: #98a2ab; --hair: #2d3338;
                --c0: #56b4e9; --c1: #f0883e; --c2: #2fc49a; --c3: #dc93bd; --c4: #e6c229; --c5: #b4bac0; } }
            text { fill: var(--ink); font-size: 11.5px; font-variant-numeric: tabular-nums; }
            .title { font-size: 20px; font-weight: 650; }
            .soft { fill: var(--soft); }
            .end { text-anchor: end; }
            .middle { text-anchor: middle; }
            .c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); }
            .c3 { --c: var(--c3); } .c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
            """;

    private Palette() {}
}
