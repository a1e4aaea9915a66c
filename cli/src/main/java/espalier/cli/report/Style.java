package espalier.cli.report;

/// The page's style sheet. No `&` and no left angle bracket in it, so that the page stays well-formed XML.
final class Style {
    /// Curves are in the colours of Okabe and Ito, which the common forms of colour blindness tell apart; on dark
    /// ground in lighter shades of them.
    static final String SHEET = """
            :root { --ground: #ffffff; --ink: #1c2126; --soft: #5c6670; --hair: #e3e6e9; --warn: #fdf4e3;
              --warn-edge: #d99a1c;
              --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #a8558a; --c4: #b8860b; --c5: #4a4f55; --pale: .38;
              color-scheme: light dark; }
            @media screen and (prefers-color-scheme: dark) {
              :root { --ground: #15181b; --ink: #e4e6e8; --soft: #98a2ab; --hair: #2d3338; --warn: #2b2414;
                --warn-edge: #c08a1e;
                --c0: #56b4e9; --c1: #f0883e; --c2: #2fc49a; --c3: #dc93bd; --c4: #e6c229;
                --c5: #b4bac0; --pale: .5; } }
            * { box-sizing: border-box; margin: 0; padding: 0; }
            body { background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI",
              Roboto, "Helvetica Neue", Arial, sans-serif; -webkit-text-size-adjust: 100%; }
            main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
            .maker { color: var(--soft); font-size: 12px; font-weight: 600; letter-spacing: .09em;
              text-transform: uppercase; }
            h1 { font-size: 28px; font-weight: 650; line-height: 1.25; letter-spacing: -.012em;
              overflow-wrap: anywhere; }
            h2, figcaption { font-size: 16px; font-weight: 650; line-height: 1.4; }
            h2 { margin: 44px 0 10px; }
            ul { list-style: none; }
            .text { margin-top: 8px; max-width: 68ch; color: var(--soft); overflow-wrap: anywhere; }
            h2 + .text { margin-top: 0; }
            .notices { margin-top: 24px; padding: 10px 16px; background: var(--warn);
              border-left: 3px solid var(--warn-edge); border-radius: 2px; }
            .notices li { overflow-wrap: anywhere; }
            .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 22px 24px;
              margin-top: 28px; padding-top: 20px; border-top: 1px solid var(--hair); }
            .figures dt { color: var(--soft); font-size: 13px; }
            .figures .value { font-size: 23px; font-weight: 600; line-height: 1.3; letter-spacing: -.01em;
              font-variant-numeric: tabular-nums; white-space: nowrap; }
            .figures .note { color: var(--soft); font-size: 13px; line-height: 1.4; }
            .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr));
              gap: 40px 36px; margin-top: 44px; }
            .charts figure { min-width: 0; }
            .charts figure:first-child { grid-column: 1 / -1; }
            .charts figure:first-child .frame { height: 320px; }
            .legend { display: flex; flex-wrap: wrap; gap: 2px 20px; margin-top: 2px; color: var(--soft);
              font-size: 13px; }
            .legend li { display: flex; align-items: center; gap: 8px; }
            .legend li::before { content: ""; width: 20px; height: 0; border-top: 2px solid var(--c); }
            .legend .faint::before { opacity: var(--pale); }
            .legend .dashed::before { border-top-style: dashed; }
            .legend .dots::before { width: 7px; height: 7px; margin: 0 6px; border: 0; border-radius: 50%;
              background: var(--c); opacity: .7; }
            .legend .points::before { height: 8px; border: 0; background:
              radial-gradient(circle, var(--c) 3.4px, transparent 4px),
              linear-gradient(transparent 3px, var(--c) 3px, var(--c) 5px, transparent 5px); }
            .c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); }
            .c3 { --c: var(--c3); } .c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
            .plot { padding: 4px 14px 0 calc(var(--label) * 7px + 10px); }
            .axis { color: var(--soft); font-size: 12px; margin-left: calc(var(--label) * -7px - 10px);
              padding-bottom: 9px; }
            .axis.below { margin: 24px 0 0; padding: 0; text-align: center; }
            .frame { display: block; width: 100%; height: 190px; overflow: visible; }
            .curves { overflow: visible; }
            .grid line { stroke: var(--hair); stroke-width: 1; shape-rendering: crispEdges; }
            .grid .base, .grid .tick line { stroke: var(--soft); opacity: .55; }
            .grid .tick { overflow: visible; }
            .labels text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
            .labels .x { text-anchor: middle; }
            .labels .y { text-anchor: end; }
            path { fill: none; stroke: var(--c); stroke-width: 1.4; stroke-linejoin: round; stroke-linecap: round;
              vector-effect: non-scaling-stroke; }
            figure:first-child path { stroke-width: 1.8; }
            figure path.faint { stroke-width: 1.1; opacity: var(--pale); }
            figure path.dashed { stroke-dasharray: 6 5; }
            figure path.dots { stroke-width: 5; opacity: .6; }
            figure path.alone { stroke-width: 5; }
            circle { fill: var(--c); stroke: var(--ground); stroke-width: 1.2; }
            .banded .axis:first-child { padding-bottom: 24px; }
            .frame .band { fill: var(--soft); }
            rect.band { opacity: .09; }
            text.band { font-size: 11px; }
            text.narrow { display: none; }
            @media (min-width: 900px) { .charts figure:first-child text.narrow { display: inline; } }
            .edge { overflow: visible; }
            .edge line { stroke: var(--soft); opacity: .55; }
            .bars { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr));
              gap: 28px 36px; margin-top: 44px; }
            .bars figure { min-width: 0; }
            .bars .note { color: var(--soft); font-size: 13px; line-height: 1.4; margin-bottom: 10px; }
            .rows { padding: 2px calc(var(--count) * 7px + 10px) 0 calc(var(--label) * 7px + 10px); }
            .rows svg { display: block; overflow: visible; }
            .rows text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
            .rows .y { text-anchor: end; }
            .rows .count { fill: var(--ink); }
            .whole { fill: var(--hair); }
            .kept { fill: var(--c); }
            .part { stroke: var(--ground); stroke-width: 1; }
            .group { stroke: var(--ground); stroke-width: 3; }
            .strip { fill: var(--soft); opacity: 0; }
            .strip:hover { opacity: .22; }
            .gaps { margin-top: 4px; color: var(--soft); font-size: 12px; }
            .scroll { overflow-x: auto; }
            table { border-collapse: collapse; min-width: min(100%, 560px); }
            th, td { padding: 6px 0; border-bottom: 1px solid var(--hair); text-align: left; white-space: nowrap; }
            th + th, td + td { padding-left: 32px; }
            th { color: var(--soft); font-size: 13px; font-weight: 400; }
            .number { text-align: right; font-variant-numeric: tabular-nums; }
            .settings { columns: 2 320px; column-gap: 48px; font-size: 14px; }
            .settings div { display: flex; justify-content: space-between; gap: 20px; padding: 4px 0;
              border-bottom: 1px solid var(--hair); break-inside: avoid; }
            .settings dt { color: var(--soft); flex: none; max-width: 55%; overflow-wrap: anywhere; }
            .settings dd { text-align: right; overflow-wrap: anywhere; min-width: 0;
              font-variant-numeric: tabular-nums; }
            @media (max-width: 600px) {
              main { padding: 24px 16px 40px; }
              h1 { font-size: 23px; }
              .figures .value { font-size: 20px; }
              .charts figure:first-child .frame { height: 260px; }
              table { font-size: 13px; }
              th { font-size: 12px; }
              th + th, td + td { padding-left: 10px; } }
            @media print {
              :root { color-scheme: light; }
              body { font-size: 10pt; }
              main { max-width: none; padding: 0; }
              h2 { margin-top: 28px; break-after: avoid; }
              .charts { gap: 24px 28px; margin-top: 28px;
                grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); }
              .frame { height: 130px; }
              .charts figure:first-child .frame { height: 230px; }
              .settings { columns: 2 200px; font-size: 9pt; }
              .settings div { padding: 2px 0; }
              .notices { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
              figure, tr, .figures div { break-inside: avoid; } }
            """;

    private Style() {}
}
