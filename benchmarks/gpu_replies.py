"""The case of `gpu.py` that writes replies: the runner, and plain `generate`, on one model."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import operations
import runner as benchmark
import torch
from gpu_rows import SEED, Row, small, steps
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.inference import tiny
from workflow_scripts.inference import engines, requests

# Qwen3-0.6B, from its published config.
QWEN3 = {
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151_936,
    "max_position_embeddings": 40_960,
}


def replies(_: Path, device: str, budget_s: float) -> Iterator[Row]:
    """Greedy replies of a Qwen3-0.6B with random weights: the runner, and plain `generate`.

    The bytes are the least that must be read: all weights per step, if all rows are in one batch,
    and each row's keys and values.
    """
    rows, length = (6, 8) if small(device) else (256, 128)
    dtype = "float32" if small(device) else "bfloat16"
    with tempfile.TemporaryDirectory() as folder:
        bytes_of_weights, per_token = random_model(Path(folder), dtype, small(device))
        spec = benchmark.SPEC | {"dtype": dtype, "max_context": 512}
        engine: Any = engines.load("bench", spec, folder, batch_tokens=131_072)
        texts = benchmark.prompts(rows, 60, seed=1)
        table = requests.table(
            requests.request(str(i), prompt=text, temperature=0, max_tokens=length, seed=0)
            for i, text in enumerate(texts)
        )
        prompt = sum(len(engine.tokenizer(text)["input_ids"]) for text in texts)
        held = per_token * (prompt * length + rows * length * (length - 1) // 2)
        ways: dict[str, Callable[[], Any]] = {
            "runner": lambda: benchmark.ours(engine, table),
            "generate": lambda: benchmark.plain_loop(
                engine, texts, rows, length, None, benchmark.GREEDY
            ),
        }
        ours, theirs = benchmark.ours(engine, table)["text"], ways["generate"]()
        same = sum(a == b for a, b in zip(ours, theirs, strict=True))  # rounding breaks ties
        for what, way in ways.items():
            taken = operations.timed(way, device, budget_s / 4, warm_up=0)
            notes = {"tokens_per_s": round(rows * length / min(taken)), "equal_replies": same}
            notes |= {"bytes": bytes_of_weights * length + held, "precision": dtype}
            yield steps("replies", taken, what=f"{what}, {rows} x {length}", **notes)


def random_model(folder: Path, dtype: str, tiny_shape: bool) -> tuple[int, int]:
    """Write a Qwen3 with random weights; bytes of its weights, and of one token's keys, values.

    No reply ends early or leaves the tokenizer: the rows of other tokens are 0.
    """
    words = tiny.tokenizer()
    shape: dict[str, Any] = dict(QWEN3)
    if tiny_shape:
        shape |= {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        shape |= {"num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128}
        shape |= {"vocab_size": 512}
    config = Qwen3Config(
        **shape,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    torch.manual_seed(SEED)
    model = Qwen3ForCausalLM(config).to(getattr(torch, dtype))
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[len(words) :] = 0.0
        weight[words.eos_token_id] = 0.0
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    size = next(model.parameters()).element_size()
    weights = sum(parameter.numel() for parameter in model.parameters()) * size
    kept = 2 * shape["num_key_value_heads"] * shape["head_dim"] * shape["num_hidden_layers"]
    return weights, kept * size
