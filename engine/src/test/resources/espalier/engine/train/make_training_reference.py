#!/usr/bin/env python3
"""Writes smollm2_ten_steps.json: ten steps of LoRA training of SmolLM2-135M-Instruct by torch, transformers and peft.

    python3 make_training_reference.py SHARED_FOLDER MODEL_FOLDER ADAPTER_FOLDER > smollm2_ten_steps.json

SHARED_FOLDER holds data/, MODEL_FOLDER is the BF16 Hugging Face folder, ADAPTER_FOLDER the initial adapters of seed 42
(A uniform, B zero) as Espalier writes them, on any data:

    espalier finetune --model MODEL_FOLDER --data FILE --out X --steps 1 --lr 0 --lora-dropout 0 --validation-rows 0 \\
        --no-merge --seed 42          # ADAPTER_FOLDER is X/adapter

The rows are ROWS of alpaca_52k, drawn with SEED among those with labels within CUTOFF tokens, tokenised by
alpaca_reference.py of eval. Their order is drawn here as BatchOrder does, by a Philox of its own. Each batch is run in
micro-batches, padded on the right; its loss is the sum over its labelled tokens divided by their number. Optimiser,
clipping and schedule are those of torch and transformers.

`steps` is float64 throughout (RMSNorm too, which transformers would compute in float32), `float32` the same run in
float32 by transformers as it is: what arithmetic alone may change. `final_loss` is over all rows after the last step.
`initial_sha256` is of the values of A in the order of a forward pass, as big-endian F32.
The decay is large so that ten steps show it, the clipping such that it acts in half of the steps.
Made with torch 2.15.0, transformers 5.24.0, peft 0.21.2.
"""
import hashlib
import json
import pathlib
import random
import sys

import peft
import torch
import transformers
from transformers.models.llama.modeling_llama import LlamaRMSNorm

ROOT = pathlib.Path(__file__).resolve().parents[7]
sys.path.insert(0, str(ROOT / "eval/src/test/resources/espalier/eval/data"))
import alpaca_reference

SEED = 42
CUTOFF = 96
ROWS = 22
BATCH = 8
MICRO_BATCH = 3
STEPS = 10
WARMUP = 2
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.5
CLIP = 0.5
SITES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WORD = 0xFFFFFFFF


def philox(seed, stream, index):
    c = [index & WORD, index >> 32, stream & WORD, stream >> 32]
    k0, k1 = seed & WORD, seed >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & WORD, (p0 >> 32) ^ c[3] ^ k1, p0 & WORD]
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c


def epoch_order(epoch):
    order = list(range(ROWS))
    for i in range(ROWS - 1):
        bound = ROWS - i
        word = next(w for w in philox(SEED, (0x65706F6368 << 24) + epoch, i) if w * bound & WORD >= 2**32 % bound)
        j = i + (word * bound >> 32)
        order[i], order[j] = order[j], order[i]
    return order


def batches():
    cut = []
    epoch = 0
    while len(cut) < STEPS:
        order = epoch_order(epoch)
        cut += [order[i : i + BATCH] for i in range(0, ROWS, BATCH)]
        epoch += 1
    return cut[:STEPS]


def rows(shared, folder):
    alpaca_reference.CUTOFF = CUTOFF
    tokenizer = alpaca_reference.load(folder, "<|im_start|>", "<|im_end|>")
    texts = alpaca_reference.rows(f"{shared}/data/alpaca/alpaca_52k.jsonl.gz")
    chosen = []
    for i in random.Random(SEED).sample(range(len(texts)), len(texts)):
        ids, first = alpaca_reference.encode(tokenizer, alpaca_reference.alpaca, texts[i])
        if len(ids) > first:
            chosen.append({"row": i, "ids": ids, "first_label": first})
        if len(chosen) == ROWS:
            return chosen


def loss_sum(model, examples):
    longest = max(len(e["ids"]) for e in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for i, e in enumerate(examples):
        n, first = len(e["ids"]), max(1, e["first_label"])
        ids[i, :n] = torch.tensor(e["ids"])
        mask[i, :n] = 1
        labels[i, first:n] = ids[i, first:n]
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum")


def labels(examples):
    return sum(len(e["ids"]) - max(1, e["first_label"]) for e in examples)


def run(folder, adapter, examples, dtype):
    base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    model = peft.PeftModel.from_pretrained(base, adapter, is_trainable=True).to(dtype)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, WARMUP, STEPS)
    steps = []
    for order in batches():
        batch = [examples[i] for i in order]
        total = 0.0
        for at in range(0, len(batch), MICRO_BATCH):
            loss = loss_sum(model, batch[at : at + MICRO_BATCH])
            (loss / labels(batch)).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP).item()
        steps.append({"loss": total / labels(batch), "gradient_norm": norm, "learning_rate": schedule.get_last_lr()[0]})
        print(dtype, steps[-1], file=sys.stderr, flush=True)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
    model.eval()
    with torch.no_grad():
        final = sum(loss_sum(model, [e]).item() for e in examples) / labels(examples)
    return steps, final


def initial_sha256(model):
    values = dict(model.named_parameters())
    digest = hashlib.sha256()
    for layer in range(30):
        for site in SITES:
            name = next(n for n in values if f"layers.{layer}." in n and f"{site}.lora_A" in n)
            digest.update(values[name].detach().float().numpy().astype(">f4").tobytes())
            assert not values[name.replace("lora_A", "lora_B")].any()
    return digest.hexdigest()


def exact_norm(self, hidden):
    return self.weight * hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)


def main(shared, folder, adapter):
    examples = rows(shared, folder)
    base = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    sha256 = initial_sha256(peft.PeftModel.from_pretrained(base, adapter))
    float32, final32 = run(folder, adapter, examples, torch.float32)
    LlamaRMSNorm.forward = exact_norm
    float64, final64 = run(folder, adapter, examples, torch.float64)
    json.dump(
        {
            "made_by": "make_training_reference.py",
            "versions": {module.__name__: module.__version__ for module in (torch, transformers, peft)},
            "seed": SEED,
            "batch": BATCH,
            "micro_batch": MICRO_BATCH,
            "warmup": WARMUP,
            "learning_rate": LEARNING_RATE,
            "weight_decay": WEIGHT_DECAY,
            "clip": CLIP,
            "initial_sha256": sha256,
            "order": batches(),
            "steps": float64,
            "final_loss": final64,
            "float32": {"steps": float32, "final_loss": final32},
            "examples": examples,
        },
        sys.stdout,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
