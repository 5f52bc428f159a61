#!/usr/bin/env bash
# transformers 5.23.0: a GGUF file whose split is `smollm` or `starcoder` is split as GPT-2 would, silently.
#
# Both splits of `tokenizer.ggml.pre` cut out single digits first, so that white space before a digit is a piece of
# its own. transformers has no entry for them and takes GPT-2's split, which leaves the last white space to the
# digit. Numbers after a blank line or an indent, as in numbered lists and tables, get other tokens.
# Expected: `AutoTokenizer.from_pretrained(folder, gguf_file=...)` gives the tokens of llama.cpp, or warns.
# Seen: of a vocabulary with a token for two line feeds, "a\n\n1." becomes 5 tokens, llama.cpp makes 4. For the
# split `qwen2`, which transformers knows, the two agree. There is no warning.
# Exits with 0 while transformers behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 gguf==0.19.0 xllamacpp==2026.10.11549
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
import urllib.request
from pathlib import Path

import gguf
import numpy as np
import xllamacpp
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoTokenizer

WIDTH, TEXT = 32, "a\n\n1."
line_feed = "\u010a"  # its letter in a byte-level vocabulary
tokens = ["<|end|>", *sorted(ByteLevel.alphabet()), line_feed * 2]


def written(split):
    """A Llama of one layer with random weights and the vocabulary above."""
    path = Path(sys.argv[1], f"{split}.gguf")
    file = gguf.GGUFWriter(path, "llama")
    file.add_block_count(1)
    file.add_context_length(64)
    file.add_embedding_length(WIDTH)
    file.add_feed_forward_length(WIDTH)
    file.add_head_count(1)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre(split)
    file.add_token_list(tokens)
    file.add_token_types([3] + [1] * (len(tokens) - 1))
    file.add_token_merges([f"{line_feed} {line_feed}"])
    file.add_bos_token_id(0)
    file.add_eos_token_id(0)
    file.add_add_bos_token(False)
    names = ["ffn_gate", "ffn_up", "ffn_down", "attn_q", "attn_k", "attn_v", "attn_output"]
    shapes = {f"blk.0.{name}.weight": (WIDTH, WIDTH) for name in names}
    shapes |= {f"blk.0.{name}_norm.weight": (WIDTH,) for name in ("attn", "ffn")}
    shapes |= {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    for name, shape in shapes.items():
        file.add_tensor(name, np.ones(shape, np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def by_llama_cpp(path):
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.port = str(path), 64, 0
    settings.warmup, settings.cpuparams.n_threads, settings.verbosity = False, 1, -1
    server = xllamacpp.Server(settings)
    body = json.dumps({"content": TEXT, "add_special": False}).encode()
    request = urllib.request.Request(
        f"{server.listening_address}/tokenize", body, {"Content-Type": "application/json"}
    )
    return json.load(urllib.request.urlopen(request, timeout=30))["tokens"]


seen = {}
for split in ("smollm", "starcoder", "qwen2"):
    path = written(split)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    read = [tokenizer.encode(TEXT, add_special_tokens=False), by_llama_cpp(path)]
    seen[split] = [len(numbers) for numbers in read]
    print(f"{split}: transformers", *map(repr, tokenizer.convert_ids_to_tokens(read[0])), end=", ")
    print("llama.cpp", *map(repr, tokenizer.convert_ids_to_tokens(read[1])))
sys.exit(seen != {"smollm": [5, 4], "starcoder": [5, 4], "qwen2": [4, 4]})
PYTHON
