# Makes the small tokenizers in the folders beside this file and their golden.jsonl, with Hugging Face
# tokenizers 0.22.2 (pip install tokenizers==0.22.2; python make_goldens.py). Seed 7. They cover what no published
# tokenizer among the shared ones does: the flags of added tokens, normalised added tokens, a suffix in the template,
# add_prefix_space, digits in runs, an unknown token that is not fused, byte runs that are not UTF-8.
import json, os, random
import tokenizers

assert tokenizers.__version__ == "0.22.2"
random.seed(7)
HERE = os.path.dirname(os.path.abspath(__file__))
# content, lstrip, rstrip, single_word, normalized, special
ADDED = [("<mask>", 1, 0, 0, 0, 1), ("<r>", 0, 1, 0, 0, 1), ("word", 0, 0, 1, 0, 0), ("both", 1, 1, 1, 1, 0),
         ("ab cd", 0, 0, 0, 1, 0), ("ab", 0, 0, 0, 0, 0), ("abc", 0, 0, 0, 0, 1), ("[N]", 0, 0, 0, 1, 1)]
PARTS = [a[0] for a in ADDED] + ["<s>", "</s>", "<unk>", "a", "b", "c", "d", "x", " ", "  ", "\n", "\u3000", "_", "'s",
         "1", "23", "\u00bd", "\u0969", "\u00e9", "\u4e2d", "\U0001f600", "\u2581", "\u0301", "the", "The", "."]

def bpe(pieces, merges, **settings):
    vocab = {}
    for p in pieces + [a + b for a, b in merges]:
        vocab.setdefault(p, len(vocab))
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            **settings, "vocab": vocab, "merges": [[a, b] for a, b in merges]}

def tokenizer(model, normalizer, pre, post, decoder, specials):
    vocab, added = model["vocab"], []
    following = len(vocab)
    for content, *flags in [(s, 0, 0, 0, 0, 1) for s in specials] + ADDED:
        at = vocab.get(content, following)
        following += at == following
        added.append(dict(id=at, content=content, **dict(zip(("lstrip", "rstrip", "single_word", "normalized", "special"),
                                                              map(bool, flags)))))
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": decoder, "model": model}

def template(before, after, vocab):
    special = {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in before + after}
    single = [{"SpecialToken": {"id": t, "type_id": 0}} for t in before] + [{"Sequence": {"id": "A", "type_id": 0}}] \
        + [{"SpecialToken": {"id": t, "type_id": 0}} for t in after]
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special}

def replace(a, b): return {"type": "Replace", "pattern": {"String": a}, "content": b}
PREFIX = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581")]}
STRIP = {"type": "Sequence", "decoders": [replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                                          {"type": "Strip", "content": " ", "start": 2, "stop": 0}]}
BYTES = ["<0x%02X>" % b for b in range(256)]
MERGES = [("t", "h"), ("\u2581", "th"), ("a", "b"), ("\u2581", "a"), ("b", "\u2581"), ("th", "e"), ("\u2581th", "e"),
          ("c", "d"), ("\u2581a", "b"), ("ab", "cd"), ("e", "\u2581")]
LETTERS = list("\u2581abcdeth.") + ["1", "\u00e9"]

def alphabet():
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 400))
    return [chr(b if b in own else next(others)) for b in range(256)]

fallback = bpe(["<unk>", "<s>", "</s>"] + BYTES + LETTERS, MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
phrase = bpe(["<unk>", "<s>", "</s>"] + LETTERS, MERGES, unk_token="<unk>", byte_fallback=True)
byte = bpe(["<s>", "</s>", "<unk>"] + alphabet(),
           [("t", "h"), ("\u0120", "th"), ("a", "b"), ("1", "2"), ("c", "d"), ("\u0120th", "e"), ("ab", "cd")], ignore_merges=True)
MADE = {
    "fallback": tokenizer(fallback, PREFIX, None, template(["<s>"], ["</s>"], fallback["vocab"]), STRIP,
                          ["<unk>", "<s>", "</s>"]),
    "phrase": tokenizer(phrase, PREFIX, None, None, STRIP, ["<unk>", "<s>", "</s>"]),
    "bytes": tokenizer(byte, {"type": "NFC"}, {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}]},
        {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            template(["<s>", "<s>"], ["</s>"], byte["vocab"])]},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, ["<s>", "</s>"]),
}
for name, made in MADE.items():
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(made, f)
        f.write("\n")
    t = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    size = t.get_vocab_size()
    with open(os.path.join(folder, "golden.jsonl"), "w") as f:
        for n in range(200):
            text = "".join(random.choice(PARTS) for _ in range(random.randint(1, 9)))
            add, recognise = n % 2 == 0, n % 5 != 0
            t.encode_special_tokens = not recognise
            ids = t.encode(text, add_special_tokens=add).ids
            f.write(json.dumps({"text": text, "add": add, "recognise": recognise, "ids": ids}) + "\n")
            ids = ids if n % 2 else [random.randrange(size) for _ in range(random.randint(0, 12))]
            f.write(json.dumps({"ids": ids, "decoded": t.decode(ids, skip_special_tokens=False),
                                "without": t.decode(ids, skip_special_tokens=True)}) + "\n")
