/// The self-contained page that tells what a run did: one HTML file, no network, no script, opened from disk.
///
/// Read [Report] and [Section] first: plain data, the same for every method. [TrainingReport] makes one of a
/// [Run] that trained weights or adapters, [MaskReport] of one that trained masks; both share [RunSummary] and
/// [RunCurves]. [HtmlReport] writes any of them. Charts are inline SVG: [ChartSvg] draws, [Axis] places ticks,
/// [Thinning] keeps long series short without losing spikes. [BarsSvg] draws what is left of each layer.
/// Pictures that are files of their own: [RooflinePlot], the kernels of a roofline report under the ceilings of the
/// machine, and [DemoPlot], what the demo made.
package espalier.cli.report;
