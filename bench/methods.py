"""The three methods and their ablations on one small model, several seeds each, as a table.

    python3 bench/methods.py --model M --train stories.txt --held held.txt --wiki wiki.test.raw.gz --out results.jsonl [--seeds 5]
    python3 bench/methods.py --table results.jsonl

Each run is one `./espalier prune` and one `perplexity` for each text; runs that are in the results already are not repeated.
All methods see the same number of tokens: --steps times --batch times --length, divided among their stages. A development tool.
"""
import argparse, concurrent.futures, json, os, shutil, statistics, subprocess, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
p = argparse.ArgumentParser()
p.add_argument("--model", default="")
p.add_argument("--train", default="")
p.add_argument("--held")
p.add_argument("--unseen", help="another text, of which the model knows nothing")
p.add_argument("--wiki")
p.add_argument("--out", default="methods.jsonl")
p.add_argument("--table")
p.add_argument("--java", default="java")
p.add_argument("--jar", default=ROOT + "/cli/target/espalier.jar")
p.add_argument("--seeds", type=int, default=5)
p.add_argument("--steps", type=int, default=1000, help="of all stages together")
p.add_argument("--batch", type=int, default=4)
p.add_argument("--length", type=int, default=128)
p.add_argument("--prompt-tokens", type=int, default=322, help="of the collaborative prompt before a text")
p.add_argument("--lr", default="1e-3", help="of all adapters, in all stages")
p.add_argument("--windows", type=int, default=200, help="of --length tokens that each text is measured on at most")
p.add_argument("--jobs", type=int, default=2, help="runs at a time, of one thread each")
p.add_argument("--only", action="append", default=[], help="what to run, e.g. \"NutePrune 50%%, intact teacher\"; may be repeated")
args = p.parse_args()

ABLATED = 0.5


def split(parts):
    """Steps of the stages, in proportion."""
    whole = sum(parts)
    steps = [max(1, args.steps * part // whole) for part in parts]
    steps[-1] = args.steps - sum(steps[:-1])
    return steps


def common(before=0):
    return [f"--batch={args.batch}", f"--micro-batch={args.batch}", f"--max-length={args.length + before}", f"--lr={args.lr}",
            "--lora-rank=8",
            "--validation-rows=0", "--save-every=1000000"]


def prefixed(options):
    return ["--recover-" + option[2:] for option in options]


def llm_pruner(sparsity, seed):
    return ["--method=llm-pruner", f"--target-prunable={sparsity}", "--calibration=" + args.train, f"--seed={seed}", "--samples=32",
            f"--tokens={args.length}", "--recover=" + args.train, f"--recover-steps={args.steps}", f"--recover-seed={seed}",
            *prefixed(common())]


def compresso(sparsity, seed, *more, before=0):
    adapters, masks, tuning = split([1, 7, 3])
    return ["--method=compresso", "--data=" + args.train, f"--sparsity={sparsity}", f"--steps={masks}", f"--adapter-steps={adapters}",
            f"--seed={seed}", *common(before), f"--recover-steps={tuning}", f"--recover-seed={seed}",
            *prefixed(option for option in common(before) if not option.startswith("--lora-rank")), *more]


def nuteprune(sparsity, seed, *more):
    return ["--method=nuteprune", "--data=" + args.train, f"--sparsity={sparsity}", f"--steps={args.steps}", f"--seed={seed}",
            *common(), *more]


def runs():
    for seed in range(1, args.seeds + 1):
        for sparsity in (0.2, 0.5):
            yield f"LLM-Pruner {sparsity:.0%}", seed, llm_pruner(sparsity, seed)
            yield f"Compresso {sparsity:.0%}", seed, compresso(sparsity, seed, "--no-prompt")
            yield f"NutePrune {sparsity:.0%}", seed, nuteprune(sparsity, seed)
    for seed in range(1, args.seeds + 1):
        s = ABLATED
        yield f"NutePrune {s:.0%}, intact teacher", seed, nuteprune(s, seed, "--teacher=intact")
        yield f"NutePrune {s:.0%}, progressive teachers", seed, nuteprune(s, seed, "--teacher=progressive")
        # By themselves runs of this length come to the sparsity near their end, when the teachers beyond it have no time left.
        for teacher in ("numerous", "progressive", "intact"):
            yield (f"NutePrune {s:.0%}, {teacher} teachers, fast multipliers", seed,
                   nuteprune(s, seed, "--multiplier-lr=1", f"--teacher={teacher}"))
        yield f"NutePrune {s:.0%}, no layer loss", seed, nuteprune(s, seed, "--layer-weight=0")
        masks_alone = [option for option in nuteprune(s, seed, "--masks-only") if not option.startswith(("--lr", "--lora-rank"))]
        yield f"NutePrune {s:.0%}, masks alone", seed, masks_alone
        yield f"Compresso {s:.0%}, collaborative prompt", seed, compresso(s, seed, before=args.prompt_tokens)


def espalier(*arguments):
    """What a command says, and the seconds of processor time that it took."""
    command = [args.java, "--add-modules", "jdk.incubator.vector", "-XX:+UseSerialGC", "-jar", args.jar, *arguments, "--json"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if started.returncode != 0:
            raise RuntimeError(" ".join(arguments) + "\n" + err.read()[-2000:])
        return json.load(out), usage.ru_utime + usage.ru_stime


def perplexity(model, file):
    return espalier("perplexity", "--model", model, "--data", file, "--window", str(args.length),
                    f"--windows={args.windows}", "--threads=1")[0]["perplexity"]


def one(name, seed, options):
    folder = tempfile.mkdtemp(prefix="methods-")
    try:
        out = folder + "/x"
        made, seconds = espalier("prune", "--model", args.model, "--out", out, "--threads=1", *options)
        row = dict(name=name, seed=seed, seconds=seconds, sparsity=made.get("sparsity"),
                   removed=made.get("prunable_removed"), parameters=made["parameters_after"],
                   tokens=made.get("tokens", 0) + made.get("recovery", {}).get("tokens", 0), kept=made.get("kept"),
                   teachers=made.get("teachers"), skipped=made.get("skipped_steps"), options=options)
        row["perplexity"] = {key: perplexity(out, file) for key, file in texts().items()}
        return row
    finally:
        shutil.rmtree(folder)


def texts():
    return {key: file for key, file in (("held", args.held), ("unseen", args.unseen), ("wiki", args.wiki)) if file}


def spread(values):
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}" if len(values) > 1 else f"{values[0]:.2f}"


def table(path):
    rows = [json.loads(line) for line in open(path)]
    order = list(dict.fromkeys(["dense", *(run[0] for run in runs())]))
    names = sorted({row["name"] for row in rows}, key=order.index)
    keys = list(rows[0]["perplexity"])
    print("| method | seeds | prunable removed | parameters | tokens | " + " | ".join(keys) + " | CPU seconds |")
    print("|---|---|---|---|---|" + "---|" * len(keys) + "---|")
    for name in names:
        mine = [row for row in rows if row["name"] == name]
        removed = [row["removed"] or 0 for row in mine]
        print(f"| {name} | {len(mine)} | {statistics.mean(removed):.3f} | {statistics.mean(r['parameters'] for r in mine):,.0f} | "
              f"{statistics.mean(r['tokens'] for r in mine):,.0f} | "
              + " | ".join(spread([row["perplexity"][key] for row in mine]) for key in keys)
              + f" | {statistics.mean(r['seconds'] for r in mine):.0f} |")


def main():
    if args.table:
        return table(args.table)
    done = set()
    if os.path.exists(args.out):
        done = {(row["name"], row["seed"]) for row in map(json.loads, open(args.out))}
    if ("dense", 0) not in done and not args.only:
        with open(args.out, "a") as out:
            shape, _ = espalier("inspect", args.model)
            out.write(json.dumps(dict(name="dense", seed=0, seconds=0, removed=0, parameters=shape["parameters"], tokens=0,
                                      perplexity={key: perplexity(args.model, file) for key, file in texts().items()})) + "\n")
    todo = [run for run in runs() if run[:2] not in done and (not args.only or run[0] in args.only)]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for at, future in enumerate(concurrent.futures.as_completed([pool.submit(one, *run) for run in todo]), 1):
            row = future.result()
            with open(args.out, "a") as out:
                out.write(json.dumps(row) + "\n")
            print(f"{at} of {len(todo)}: {row['name']}, seed {row['seed']}: {row['perplexity']}, {row['seconds']:.0f} s", flush=True)


main()
