"""Writes alpaca_reference.json: how transformers tokenises Alpaca rows, and text rows cut into blocks.

    python alpaca_reference.py SHARED_FOLDER > alpaca_reference.json

SHARED_FOLDER holds data/ and tokenizers/. The tokenizers are those of their tokenizer.json: from SmolLM2's
tokenizer_config.json transformers 5 builds a `GPT2Tokenizer` without the Digits step of tokenizer.json, which gives
other tokens where digits follow blank lines. The rendering and the labels follow Alpaca-LoRA's Prompter and
generate_and_tokenize_prompt (cutoff 256, end token added, answers only); `plain` follows the ZeroPrompter of the
LLM-Pruner release. `fingerprint` is the SHA-256 of, for each sequence: its length, its first label and its ids, each a
big-endian 32-bit integer; rows whose labels are all cut off are left out. The ids of 12 rows, drawn with SEED (5 with
an input, 5 without, 2 that are cut), are kept whole. Blocks: the texts of c4_slice joined, begin token first and end
token last of each.
"""
import gzip
import hashlib
import json
import random
import struct
import sys

import tokenizers
import transformers

SEED = 42
CUTOFF = 256
TEMPLATE_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
TEMPLATE_NO_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


def alpaca(instruction, input, label=None):
    if input:
        text = TEMPLATE_INPUT.format(instruction=instruction, input=input)
    else:
        text = TEMPLATE_NO_INPUT.format(instruction=instruction)
    return text + label if label else text


def plain(instruction, input, label=None):
    if instruction[-1] == ".":
        instruction = instruction[:-1] + ":"
    if instruction[-1] not in ".:?!":
        instruction += ":"
    instruction += " "
    if input:
        if input[-1] not in ".:?!":
            input += "."
        text = instruction + input
    else:
        text = instruction
    return f"{text} {label}" if label else text


def tokenize(tokenizer, text, add_eos):
    ids = tokenizer(text, truncation=True, max_length=CUTOFF, padding=False)["input_ids"]
    if add_eos and ids[-1] != tokenizer.eos_token_id and len(ids) < CUTOFF:
        ids.append(tokenizer.eos_token_id)
    return ids


def encode(tokenizer, render, row):
    ids = tokenize(tokenizer, render(row["instruction"], row["input"], row["output"]), True)
    prompt = len(tokenize(tokenizer, render(row["instruction"], row["input"]), False))
    return ids, prompt


def summary(sequences):
    digest = hashlib.sha256()
    total = {"rows": 0, "skipped": 0, "tokens": 0, "labels": 0}
    for ids, first in sequences:
        total["rows"] += 1
        labels = max(0, len(ids) - max(1, first))
        if labels == 0:
            total["skipped"] += 1
            continue
        total["tokens"] += len(ids)
        total["labels"] += labels
        digest.update(struct.pack(f">{len(ids) + 2}i", len(ids), first, *ids))
    return total | {"fingerprint": digest.hexdigest()}


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def load(folder, bos, eos):
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=f"{folder}/tokenizer.json", bos_token=bos, eos_token=eos, model_max_length=10**9
    )


def blocks(tokenizer, texts):
    ids = []
    for text in texts:
        ids.append(tokenizer.bos_token_id)
        ids += tokenizer(text, add_special_tokens=False)["input_ids"]
        ids.append(tokenizer.eos_token_id)
    cut = [ids[i : i + CUTOFF] for i in range(0, len(ids), CUTOFF)]
    return [(block, 0) for block in cut if len(block) >= 2]


def main(shared):
    smollm2 = load(f"{shared}/tokenizers/smollm2", "<|im_start|>", "<|im_end|>")
    llama2 = load(f"{shared}/tokenizers/llama2-spm", "<s>", "</s>")
    assert smollm2("a")["input_ids"][0] != smollm2.bos_token_id
    assert llama2("a")["input_ids"][0] == llama2.bos_token_id
    full = rows(f"{shared}/data/alpaca/alpaca_52k.jsonl.gz")
    small = rows(f"{shared}/data/alpaca/alpaca_gpt4_style_1k.jsonl.gz")
    c4 = [row["text"] for row in rows(f"{shared}/data/text/c4_slice.jsonl.gz")]
    with_input = [i for i, row in enumerate(full) if row["input"]]
    without = [i for i, row in enumerate(full) if not row["input"]]
    encoded = [encode(smollm2, alpaca, row) for row in full]
    cut = [i for i, (ids, first) in enumerate(encoded) if len(ids) == CUTOFF and first < CUTOFF]
    draw = random.Random(SEED)
    chosen = sorted(draw.sample(with_input, 5) + draw.sample(without, 5) + draw.sample(cut, 2))
    json.dump(
        {
            "made_by": "alpaca_reference.py",
            "versions": {
                "python": sys.version.split()[0],
                "transformers": transformers.__version__,
                "tokenizers": tokenizers.__version__,
            },
            "seed": SEED,
            "cutoff": CUTOFF,
            "smollm2_alpaca_52k": summary(encoded),
            "smollm2_small": summary(encode(smollm2, alpaca, row) for row in small),
            "smollm2_small_plain": summary(encode(smollm2, plain, row) for row in small),
            "llama2_small": summary(encode(llama2, alpaca, row) for row in small),
            "smollm2_c4_blocks": summary(blocks(smollm2, c4)),
            "examples": [
                dict(zip(("row", "ids", "first_label"), (i, *encoded[i]))) for i in chosen
            ],
        },
        sys.stdout,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
