#!/usr/bin/env python3
"""Makes smollm2-element1.safetensors: LLM-Pruner scores of SmolLM2-135M-Instruct in float64 throughout.

    python3 make_smollm2_scores.py MODEL_FOLDER GOLDEN OUT

MODEL_FOLDER is the BF16 Hugging Face folder, GOLDEN the shared llm-pruner.safetensors, which names the calibration
ids. That file's own scores come from a loss that transformers computes in float32 whatever the model's type; it moves
19 of 46,170 scores by more than 1e-4, up to 2.6e-4. Here the cross-entropy is float64 too, so that the tolerance of
the test (2e-5) is that of F32 arithmetic. Made with torch 2.15.0, transformers 5.24.0; stored as F32.
"""
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

folder, golden, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
ids = load_file(golden)["input_ids"]
logits = model(ids).logits
loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
loss.backward()


def rows(linear):
    return (linear.weight * linear.weight.grad).abs().sum(1)


def cols(linear):
    return (linear.weight * linear.weight.grad).abs().sum(0)


groups = model.config.num_key_value_heads
scores = {}
for i, layer in enumerate(model.model.layers):
    mlp, attention = layer.mlp, layer.self_attn
    scores[f"layers.{i}.ffn"] = rows(mlp.gate_proj) + rows(mlp.up_proj) + cols(mlp.down_proj)
    scores[f"layers.{i}.kv_groups"] = sum(
        vector.view(groups, -1).sum(1)
        for vector in (rows(attention.q_proj), rows(attention.k_proj), rows(attention.v_proj), cols(attention.o_proj)))
save_file({name: score.detach().float().contiguous() for name, score in scores.items()}, out,
          metadata={"loss": repr(loss.item())})
