/// Benchmarks, each of which checks its answer. [GemmBenchmark] measures the product that prefill and decoding are made
/// of, [AttentionBenchmark] attention and its backward, [RowBenchmark] losses, norms, activations and the optimiser;
/// [StepBenchmark] whole steps, [GenerationBenchmark] reading a prompt and continuing it.
///
///     mvn -q -B -pl bench -am package -DskipTests
///     java -jar bench/target/espalier-bench.jar GemmBenchmark
///     java -jar bench/target/espalier-bench.jar -p shape=1x576x49152 -p threads=2 GemmBenchmark
///
/// `java` is that of the build, 25. A wrong answer is a failure of its benchmark; `-foe true` makes it the end and exit
/// code 1. `-f 1 -wi 1 -i 1 -r 200ms` is enough to see that it runs, not to compare anything: kernels take about a
/// second to be compiled, and a machine shared with other work needs several forks. Compare interleaved runs, by their
/// best.
package espalier.bench;
