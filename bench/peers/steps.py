"""Whole steps of Espalier beside PyTorch, by turns: each round runs the peer's process, then ours, then the peak.

    mvn -q -B -pl bench -am package -DskipTests
    python bench/peers/steps.py --java .../bin/java --model FOLDER --peer torch_step.py [prefill lora importance nuteprune]

FOLDER has SmolLM2-135M's shape; torch_step.py is the peer's side at that shape (4 sequences of 512 tokens, two threads). Medians
of each side's rounds; useful arithmetic as `StepBenchmark` counts it, as a share of the F32 multiply-add peak of two threads measured
in the same rounds. `--zeros 0 0.2 0.5 0.7` measures nuteprune at each of these shares of gates at 0, by turns in every round, beside one
run of the peer, which multiplies them all the same. Needs Python with torch (CPU). A development tool.
"""
import argparse, json, os, statistics, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEER = dict(prefill="prefill", lora="lora", importance="taylor", nuteprune="nuteprune")
p = argparse.ArgumentParser()
p.add_argument("what", nargs="*", default=list(PEER))
p.add_argument("--java", default="java")
p.add_argument("--jar", default=ROOT + "/bench/target/espalier-bench.jar")
p.add_argument("--model", required=True)
p.add_argument("--peer", required=True)
p.add_argument("--rounds", type=int, default=2)
p.add_argument("--lanes", type=int, default=16, help="floats of a vector register")
p.add_argument("--memory", default="max", help="bytes that our process may use")
p.add_argument("--zeros", nargs="+", default=["0"], help="shares of gates at 0 in our nuteprune")
p.add_argument("--heap", help="most of our Java heap, for instance 96m")
args = p.parse_args()
JAVA = [args.java, "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC",
        *(["-Xmx" + args.heap] if args.heap else []), "-cp", args.jar]


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, **more).stdout


def peak():
    """Median of 12 runs of 12 chains of multiply-adds on two threads, in GFLOP/s."""
    steps = 20_000_000
    lines = run(JAVA + ["espalier.bench.peers.KernelServer"],
                input=f"prepare multiplyAdds {steps} 2\nrun 14\nquit\n").split("\n")
    seconds = [float(x) for x in lines[1].split()][2:]
    return 2 * steps * 12 * args.lanes * 2 / statistics.median(seconds) * 1e-9


def ours(what, zeros, repeats):
    lines = run(JAVA + ["espalier.bench.StepBenchmark", args.model, what, "4", "512", "2", str(repeats), args.memory, zeros])
    lines = [line.split(" ", 1) for line in lines.split("\n") if line]
    said = dict(lines)
    seconds = [float(rest.split()[0]) for key, rest in lines if key == "seconds"]
    return float(said["useful_gflop"]), seconds[2:], said["plan"], int(said["peak_bytes"])


print(f"{'step':14} {'peer s':>8} {'ours s':>8} {'ratio':>6} {'tokens/s':>9} {'useful GF/s':>12} {'of peak':>8} {'ratio at peak':>14}")
for what in args.what:
    shares = args.zeros if what == "nuteprune" else ["0"]
    peers, peaks = [], []
    seconds, runs = {share: [] for share in shares}, {}
    for _ in range(args.rounds):
        peers.append(json.loads(run([sys.executable, args.peer, "--what", PEER[what], "--steps", "3"]).strip().split("\n")[-1]))
        for share in shares:
            gflop, times, plan, bytes_held = ours(what, share, 6)
            seconds[share] += times
            runs[share] = gflop, plan, bytes_held
        peaks.append(peak())
    top, peer = statistics.median(peaks), statistics.median(r["sec"] for r in peers)
    for share in shares:
        gflop, plan, bytes_held = runs[share]
        own = statistics.median(seconds[share])
        name = f"{what} {share}" if what == "nuteprune" else what
        print(f"{name:14} {peer:8.2f} {own:8.2f} {peer / own:6.2f} {4 * 512 / own:9.1f} {gflop / own:12.1f} "
              f"{gflop / own / top:8.2f} {peer / (gflop / top):14.2f}   peak {top:.0f}, best {min(r['best'] for r in peers):.2f} "
              f"{min(seconds[share]):.2f}, peak memory: "
              f"peer {peers[0]['peak_mb']} MB, ours {bytes_held / 1e6:.0f} MB; {plan}", flush=True)
