"""Reading a prompt and decoding, Espalier beside llama.cpp, by turns: each round runs one llama-bench for each GGUF file, then ours.

    mvn -q -B -pl bench -am package -DskipTests
    python bench/peers/generation.py --java .../bin/java --model FOLDER --llama-bench .../llama-bench --gguf BF16=x.gguf F16=y.gguf

FOLDER holds the same model in BF16. Prefill: 512 tokens, logits of the last position only; decode: 128 tokens after one. Tokens a
second, medians over the rounds, two threads. A development tool.
"""
import argparse, json, os, statistics, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
p = argparse.ArgumentParser()
p.add_argument("--java", default="java")
p.add_argument("--jar", default=ROOT + "/bench/target/espalier-bench.jar")
p.add_argument("--model", required=True)
p.add_argument("--llama-bench", required=True)
p.add_argument("--gguf", nargs="+", required=True, metavar="NAME=FILE")
p.add_argument("--threads", type=int, default=2)
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--repeats", type=int, default=3)
args = p.parse_args()
files = dict(pair.split("=", 1) for pair in args.gguf)


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def llama(path):
    rows = json.loads(run([args.llama_bench, "-m", path, "-t", str(args.threads), "-p", "512", "-n", "128",
                           "-r", str(args.repeats), "-o", "json"]))
    return {"prefill" if row["n_gen"] == 0 else "decode": row["samples_ts"] for row in rows}


def ours(prompt, tokens, column, warm):
    lines = run([args.java, "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC",
                 "-cp", args.jar, "espalier.bench.GenerationBenchmark", args.model, str(prompt), str(tokens),
                 str(args.threads), str(args.repeats + warm)]).split("\n")
    return [float(line.split()[column]) for line in lines if line][warm:]


sides = {name: dict(prefill=[], decode=[]) for name in ["Espalier BF16", *files]}
for _ in range(args.rounds):
    for name, path in files.items():
        for what, samples in llama(path).items():
            sides[name][what] += samples
    sides["Espalier BF16"]["prefill"] += ours(512, 1, 0, 4)
    sides["Espalier BF16"]["decode"] += ours(1, 128, 1, 2)
for what in ("prefill", "decode"):
    own = statistics.median(sides["Espalier BF16"][what])
    for name, side in sides.items():
        middle = statistics.median(side[what])
        print(f"{what:8} {name:14} {middle:8.1f} tokens/s (best {max(side[what]):.1f})   Espalier / this {own / middle:.2f}")
