/// The self-contained page that tells what a run did: one HTML file, no network, no script, opened from disk.
///
/// Read [Report] and [Section] first: plain data, the same for every method. [TrainingReport] makes one of a
/// fine-tuning run; [HtmlReport] writes any of them. Charts are inline SVG: [ChartSvg] draws, [Axis] places ticks,
/// [Thinning] keeps long series short without losing spikes.
/// [RooflinePlot] is a file of its own: the kernels of a roofline report under the ceilings of the machine.
package espalier.cli.report;
