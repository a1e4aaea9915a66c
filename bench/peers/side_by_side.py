"""Kernels of Espalier beside OpenBLAS (through NumPy) and PyTorch, by turns in one run.

    mvn -q -B -pl bench -am package -DskipTests
    OPENBLAS_CORETYPE=SkylakeX python bench/peers/side_by_side.py --java .../bin/java gemm attention rows decode

A development tool: needs Python with numpy and torch (CPU). Each round runs the peer, then the kernel; medians of the
rounds' best are printed with the ratio peer time / Espalier time, and the share of the F32 multiply-add peak (or of the
read bandwidth) measured in the same rounds.
"""
import argparse, ctypes, glob, os, statistics, subprocess, sys, time

# Must be set before the process starts; OpenBLAS picks AVX2 kernels on new AMD cores otherwise.
if os.environ.get("OPENBLAS_CORETYPE") != "SkylakeX":
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    os.execv(sys.executable, [sys.executable] + sys.argv)
import numpy as np
import torch
import torch.nn.functional as F

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
p = argparse.ArgumentParser()
p.add_argument("what", nargs="+")
p.add_argument("--java", default="java")
p.add_argument("--jar", default=ROOT + "/bench/target/espalier-bench.jar")
p.add_argument("--rounds", type=int, default=9)
p.add_argument("--threads", default="1,2")
p.add_argument("--only", default="")
p.add_argument("--no-peer", action="store_true")
p.add_argument("--patience", type=float, default=0.7)
p.add_argument("--jvm", default="")
args = p.parse_args()
THREADS = [int(t) for t in args.threads.split(",")]

blas = ctypes.CDLL(glob.glob(os.path.dirname(np.__file__) + ".libs/libscipy_openblas*")[0])
config = blas.scipy_openblas_get_config64_
config.restype = ctypes.c_char_p
corename = blas.scipy_openblas_get_corename64_
corename.restype = ctypes.c_char_p


class Server:
    def __init__(self):
        self.process = subprocess.Popen(
            [args.java, "--add-modules", "jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", "-Xmx1g",
             *args.jvm.split(), "-cp", args.jar, "espalier.bench.peers.KernelServer"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("the kernel server ended on: " + line)
        return answer

    def prepare(self, name, *numbers):
        assert self.ask(" ".join(map(str, ["prepare", name, *numbers]))).strip() == "ready"

    def run(self, n):
        return [float(x) for x in self.ask(f"run {n}").split()]


def clock(body, n):
    times = []
    for _ in range(n):
        t = time.perf_counter()
        body()
        times.append(time.perf_counter() - t)
    return times


def busy():
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:]]
    return sum(v) - v[3] - v[4]


def quiet():
    """Waits, at most args.patience seconds, for 60 ms in which nothing else runs."""
    end = time.time() + args.patience
    while time.time() < end:
        before = busy()
        time.sleep(0.06)
        if busy() - before <= 1:
            return True
    return False


def ceiling(servers, threads, kind):
    s = servers[kind, threads]
    if kind == "fma":
        return 2 * 12 * lanes * 200_000 * threads / min(s.run(5)) / 1e9
    return (256 << 20) / min(s.run(3)) / 1e9


lanes = 16
servers = {}
for t in THREADS:
    servers["fma", t] = Server()
    servers["fma", t].prepare("multiplyAdds", 200_000, t)
    servers["fma", t].run(40)


def threads_of_peers(t):
    blas.scipy_openblas_set_num_threads64_(t)
    torch.set_num_threads(t)


def measure(name, request, peer, work, threads, unit="GF/s", kind="fma"):
    """work: 1e9 units of a call."""
    if args.only and args.only not in name:
        return
    if (kind, threads) not in servers:
        servers[kind, threads] = Server()
        servers[kind, threads].prepare("read", 256, threads)
        servers[kind, threads].run(3)
    server = Server()
    server.prepare(*request, threads)
    threads_of_peers(threads)
    end = time.time() + 2.5
    while time.time() < end:
        n = max(1, min(500, int(0.3 / max(1e-6, server.run(1)[0]))))
        server.run(n)
    reps = max(1, min(200, int(0.06 / min(server.run(3)))))
    ours, theirs, top = [], [], []
    peer_reps = 1
    if peer and not args.no_peer:
        t = min(clock(peer, 2))
        peer_reps = max(1, min(200, int(0.06 / t)))
    disturbed = 0
    for _ in range(args.rounds):
        disturbed += not quiet()
        if peer and not args.no_peer:
            theirs.append(min(clock(peer, peer_reps)))
            disturbed += not quiet()
        ours.append(min(server.run(reps)))
        top.append(ceiling(servers, threads, kind))
    server.process.stdin.close()
    server.process.wait()
    mine, best = statistics.median(ours), min(ours)
    peak = statistics.median(top)
    line = f"{name:<44} {threads}T  {work / mine:8.1f} {unit} (best {work / best:8.1f})  {work / mine / peak:5.2f} of {peak:6.1f}"
    if theirs:
        line += f"  peer {work / statistics.median(theirs):8.1f} (best {work / min(theirs):8.1f})"
        line += f"  ratio {statistics.median(theirs) / mine:5.2f} (best/best {min(theirs) / best:5.2f})"
    print(line + (f"  disturbed {disturbed}" if disturbed else ""), flush=True)


rng = np.random.default_rng(1)


def rand(*shape):
    return rng.random(shape, dtype=np.float32) * 2 - 1


SHAPES = {"smol-up": (576, 1536), "smol-down": (1536, 576), "smol-q": (576, 576), "tiny-up": (2048, 5632),
          "tiny-down": (5632, 2048), "7b-q": (4096, 4096), "7b-up": (4096, 11008), "smol-head": (576, 49152)}


def gemm(tokens, names, forms="nt nn tn"):
    for name in names.split():
        k, n = SHAPES[name]
        for m in tokens:
            x, w = rand(m, k), rand(n, k)
            for form in forms.split():
                for t in THREADS:
                    if form in ("nt", "ntBf16", "packed", "packedBf16"):
                        out = np.empty((m, n), np.float32)
                        peer = lambda: np.matmul(x, w.T, out=out)
                        request = (form, m, k, n)
                    elif form == "nn":
                        wn = w.reshape(k, n)
                        out = np.empty((m, n), np.float32)
                        peer = lambda: np.matmul(x, wn, out=out)
                        request = ("nn", m, k, n)
                    else:
                        y = rand(m, n)
                        out = np.empty((n, k), np.float32)
                        peer = lambda: np.matmul(y.T, x, out=out)
                        request = ("tn", m, k, n)
                    measure(f"{form} {name} M={m} {k}x{n}", request, peer, 2e-9 * m * k * n, t)


def decode():
    for name, (k, n) in {"smol-head": (576, 49152), "tiny-up": (2048, 16384), "7b": (4096, 11008)}.items():
        for form, size in (("nt", 4), ("ntBf16", 2)):
            for t in THREADS:
                measure(f"gemv {form} {name} {k}x{n}", (form, 1, k, n), None, 1e-9 * k * n * size, t, "GB/s", "read")


def attention(lengths, backward):
    for sequences, tokens, dim, heads, kv in lengths:
        q = torch.rand(sequences, heads, tokens, dim) * 2 - 1
        k = torch.rand(sequences, kv, tokens, dim) * 2 - 1
        v = torch.rand(sequences, kv, tokens, dim) * 2 - 1
        flop = 2e-9 * sequences * heads * dim * tokens * (tokens + 1)
        for t in THREADS:
            if not backward:
                def peer():
                    with torch.no_grad():
                        F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv)
                name, request = "attention", "attention"
            else:
                threads_of_peers(t)
                qg, kg, vg = (a.clone().requires_grad_() for a in (q, k, v))
                out = F.scaled_dot_product_attention(qg, kg, vg, is_causal=True, enable_gqa=heads != kv)
                d = torch.rand_like(out)

                def peer():
                    torch.autograd.grad(out, (qg, kg, vg), d, retain_graph=True)
                name, request = "attention backward", "attentionBackward"
            work = flop * (2.5 if backward else 1)
            measure(f"{name} {sequences}x{tokens} d{dim} {heads}/{kv}", (request, sequences, tokens, dim, heads, kv),
                    peer, work, t)


def rows():
    for t in THREADS:
        threads_of_peers(t)
        for r, v in ((2, 49152), (512, 49152)):
            x = torch.rand(r, v) * 2 - 1
            out = torch.empty_like(x)
            target = torch.arange(r) * 7919 % v
            g = 1e-9 * r * v

            def soft():
                torch.softmax(x, -1, out=out)
            measure(f"crossEntropy+grad vs softmax {r}x{v}", ("crossEntropy", r, v), soft, g, t, "Ge/s")
            xg = x.clone().requires_grad_()

            def ce():
                xg.grad = None
                F.cross_entropy(xg, target).backward()
            measure(f"crossEntropy fwd+bwd {r}x{v}", ("crossEntropy", r, v), ce, g, t, "Ge/s")
            teacher = torch.rand(r, v)

            def kl():
                xg.grad = None
                F.kl_div(F.log_softmax(xg / 2, -1), F.log_softmax(teacher / 2, -1), reduction="batchmean",
                         log_target=True).backward()
            measure(f"KL fwd+bwd {r}x{v}", ("kl", r, v), kl, g, t, "Ge/s")
        for r, h in ((64, 576), (2048, 576), (2048, 2048)):
            x = torch.rand(r, h)
            w = torch.rand(h)
            g = 1e-9 * r * h

            def rms():
                with torch.no_grad():
                    F.rms_norm(x, (h,), w, 1e-5)
            measure(f"rmsNorm {r}x{h}", ("rmsNorm", r, h), rms, g, t, "Ge/s")
            xg, wg = x.clone().requires_grad_(), w.clone().requires_grad_()
            out = F.rms_norm(xg, (h,), wg, 1e-5)
            d = torch.rand_like(out)

            def rmsb():
                torch.autograd.grad(out, (xg, wg), d, retain_graph=True)
            measure(f"rmsNorm backward {r}x{h}", ("rmsNormBackward", r, h), rmsb, g, t, "Ge/s")
        for r, h in ((32, 1536), (2048, 1536)):
            a, b = torch.rand(r, h), torch.rand(r, h)
            g = 1e-9 * r * h

            def sw():
                with torch.no_grad():
                    F.silu(a).mul_(b)
            measure(f"swiglu {r}x{h}", ("swiglu", r, h), sw, g, t, "Ge/s")
            ag, bg = a.clone().requires_grad_(), b.clone().requires_grad_()
            out = F.silu(ag) * bg
            d = torch.rand_like(out)

            def swb():
                torch.autograd.grad(out, (ag, bg), d, retain_graph=True)
            measure(f"swiglu backward {r}x{h}", ("swigluBackward", r, h), swb, g, t, "Ge/s")
        for n in (1 << 17, 1 << 24):
            par = torch.rand(n).requires_grad_()
            par.grad = torch.rand(n)
            for fused in (True, False):
                opt = torch.optim.AdamW([par], lr=1e-3, fused=fused)
                measure(f"adamW {n} vs fused={fused}", ("adamW", n), opt.step, 1e-9 * n, t, "Ge/s")


def region():
    s = Server()
    s.prepare("regions", 1000, 2)
    s.run(300)
    times = sorted(x * 1e3 for x in s.run(1000))
    print(f"region 2T: median {times[500]:.3f} us, p99 {times[990]:.3f} us (means of 1000)")


print("OpenBLAS", config().decode(), corename().decode(), "| torch", torch.__version__, torch.get_num_threads())
for what in args.what:
    if what == "gemm":
        gemm((512, 2048), "smol-up smol-down tiny-up 7b-q")
    elif what == "gemm-short":
        gemm((512,), "smol-up smol-down tiny-up 7b-q")
    elif what == "gemm-long":
        gemm((2048,), "smol-up smol-down tiny-up")
    elif what == "m32":
        gemm((32,), "smol-up smol-down tiny-up 7b-q", "nt ntBf16")
    elif what == "packed":
        gemm((32, 512), "smol-up smol-down tiny-up 7b-q", "packed packedBf16")
    elif what == "decode":
        decode()
    elif what in ("attention", "attention-backward"):
        attention([(8, 128, 64, 9, 3), (4, 512, 64, 9, 3), (1, 2048, 64, 9, 3), (1, 512, 128, 32, 8),
                   (1, 2048, 128, 32, 8)], what != "attention")
    elif what == "rows":
        rows()
    elif what == "region":
        region()
    else:
        sys.exit("unknown: " + what)
