#!/usr/bin/env python3
"""Makes the folder peft-tiny: a random model, an adapter written by peft with random B, and the logits of both.

    python3 make_peft_fixture.py OUT

Made with torch 2.15.0, transformers 5.24.0, peft 0.21.2; everything in F32.
"""
import os
import sys
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

out = sys.argv[1]
torch.manual_seed(7)
config = LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2,
                     num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=True,
                     initializer_range=0.4)
model = LlamaForCausalLM(config).float()
model.save_pretrained(f"{out}/base")
model.name_or_path = "base"
lora = LoraConfig(r=2, lora_alpha=6, lora_dropout=0.05, task_type="CAUSAL_LM", use_rslora=True,
                  target_modules=["q_proj", "v_proj", "o_proj", "down_proj"],
                  rank_pattern={"down_proj": 3, r"model\.layers\.1\.self_attn\.q_proj": 1},
                  alpha_pattern={"layers.0.self_attn.v_proj": 2.5})
adapted = get_peft_model(model, lora)
for name, value in adapted.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(value, std=0.3)
adapted.peft_config["default"].base_model_name_or_path = "base"
adapted.save_pretrained(f"{out}/adapter")
os.remove(f"{out}/adapter/README.md")
ids = torch.arange(12).remainder(16)[None] * 5 % 16
with torch.no_grad():
    logits = adapted.eval()(ids).logits[0]
save_file({"ids": ids[0], "logits": logits.contiguous()}, f"{out}/logits.safetensors")
