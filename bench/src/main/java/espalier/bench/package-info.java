/// Benchmarks. [GemmBenchmark] measures the product that prefill and decoding are made of, and checks its answer.
///
///     mvn -q -B -pl bench -am package -DskipTests
///     java -jar bench/target/espalier-bench.jar GemmBenchmark
///     java -jar bench/target/espalier-bench.jar -p shape=1x576x49152 -p threads=2 GemmBenchmark
///
/// A wrong answer is a failure of its benchmark (`-foe true` ends with exit code 1). The first line builds a jar for the
/// Java of the build, 25, which is also what runs it.
///
/// `-f 1 -wi 1 -i 1 -r 200ms` is enough to see that it runs, not to compare anything: kernels take about a second to be
/// compiled, and a machine shared with other work needs several forks. Compare runs that are interleaved, by their best.
package espalier.bench;
