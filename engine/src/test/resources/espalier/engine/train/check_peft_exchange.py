#!/usr/bin/env python3
"""Checks adapters and merged models that Espalier wrote against transformers and peft, and makes an adapter for it.

    python3 check_peft_exchange.py make MODEL ADAPTER      # peft writes ADAPTER: random A and B, down_proj of rank 4
    python3 check_peft_exchange.py check MODEL ADAPTER MERGED

`check` compares logits of MODEL with ADAPTER (peft), of the same merged by peft in F32, and of MERGED, the folder that
Espalier wrote; relative differences in the norm, in F32. It prints the ranks that peft gave the modules.
Run with torch 2.15.0, transformers 5.24.0, peft 0.21.2.
"""
import collections
import sys

import peft
import torch
import transformers

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it rests in the shade of an old oak tree.",
    "### Instruction:\nName three primary colours.\n\n### Response:\nRed, yellow and blue.",
]


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model, folder):
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json")
    with torch.no_grad():
        return torch.cat([model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0] for text in TEXTS]).double()


def difference(actual, expected):
    return ((actual - expected).norm() / expected.norm()).item()


def make(folder, out):
    torch.manual_seed(11)
    config = peft.LoraConfig(
        r=8, lora_alpha=16, task_type="CAUSAL_LM", target_modules=SITES, rank_pattern={"down_proj": 4})
    model = peft.get_peft_model(load(folder), config)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.02)
    model.save_pretrained(out)


def check(folder, adapter, merged):
    base = logits(load(folder), folder)
    model = peft.PeftModel.from_pretrained(load(folder), adapter)
    ranks = collections.Counter(
        (name.rsplit(".", 1)[-1], module.r["default"], module.scaling["default"])
        for name, module in model.named_modules() if isinstance(module, peft.tuners.lora.LoraLayer))
    for (site, rank, scale), count in sorted(ranks.items()):
        print(f"{site}: rank {rank}, scale {scale}, {count} modules")
    adapted = logits(model, folder)
    print(f"adapter changes the base's logits by {difference(adapted, base):.3g}")
    plain = model.merge_and_unload()
    print(f"merged by peft against base + adapter: {difference(logits(plain, folder), adapted):.3g}")
    written = transformers.AutoModelForCausalLM.from_pretrained(merged, dtype="auto").eval()
    ours = dict(written.named_parameters())
    apart = sum((value.to(ours[name].dtype) != ours[name]).sum().item() for name, value in plain.named_parameters())
    print(f"{apart} of {sum(value.numel() for value in ours.values())} merged weights differ in bits, {written.dtype}")
    rounded = logits(plain.to(written.dtype).float(), folder)
    print(f"merged by peft, rounded to that, against base + adapter: {difference(rounded, adapted):.3g}")
    result = logits(written.float(), folder)
    print(f"merged by Espalier against base + adapter: {difference(result, adapted):.3g}")
    print(f"largest token agrees at {(result.argmax(-1) == adapted.argmax(-1)).sum().item()} of {len(result)} places")


SITES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
