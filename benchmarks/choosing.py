"""Choosing the next token of many rows, compared with transformers' own warpers and `multinomial`.

    python benchmarks/choosing.py [--rounds 5] [--rows 192] [--model FOLDER | --qwen3]

The logits are random: a few hundred likely tokens above a wide tail, as in a language model. With
`--model`, they are those of a decode step of this model, whose time is measured too; `share` is the
part of a step that choosing takes. With `--qwen3`, the step is that of a model of Qwen3-0.6B's
shape (vocabulary 151,936) with random weights, and the logits are random as without it. One thread,
process time, logits in float32 and bfloat16.
"""

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import comparison
import gpu_replies
import torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from workflow_scripts.inference import engines, requests, sampling
from workflow_scripts.inference.tasks import Draw
from workflow_scripts.shared import job

VOCABULARIES = (49_152, 151_936)
# Name, temperature, top_k, top_p.
SETTINGS = (
    ("greedy", 0.0, 0, 1.0),
    ("temperature 1", 1.0, 0, 1.0),
    ("top_k 20", 1.0, 20, 1.0),
    ("top_p 0.95", 1.0, 0, 0.95),
    ("top_k 20, top_p 0.95", 1.0, 20, 0.95),
)
QUESTION = "Draw a random digit, and explain in a sentence how you chose it."


def like_a_model(rows: int, vocabulary: int) -> torch.Tensor:
    """Random logits, float32, shape (rows, vocabulary)."""
    generator = torch.Generator().manual_seed(vocabulary)
    logits = torch.randn(rows, vocabulary, generator=generator) * 2
    likely = torch.randint(vocabulary, (rows, 200), generator=generator)
    return logits.scatter_add_(1, likely, 9 + 3 * torch.randn(rows, 200, generator=generator))


def of_steps(model: str, dtype: str, rows: int) -> tuple[torch.Tensor, float]:
    """Logits of the last decode step of `rows` draws, and seconds of a step without choosing."""
    spec = {"source": "a folder", "engine": "transformers", "dtype": dtype}
    engine: Any = engines.load("bench", spec, model, batch_tokens=1 << 20)
    message = [{"role": "user", "content": QUESTION}]
    row = requests.request("one", messages=message, n=rows, temperature=1, max_tokens=8, seed=0)
    seen: list[torch.Tensor] = []
    ends: list[float] = []
    starts: list[float] = []
    choose = sampling.choose

    def watched(logits: torch.Tensor, *settings: Any) -> torch.Tensor:
        starts.append(time.process_time())
        seen[:] = [logits]
        tokens = choose(logits, *settings)
        ends.append(time.process_time())
        return tokens

    sampling.choose = watched  # type: ignore[assignment]
    try:
        for _ in engine.run([Draw(row, sample) for sample in range(rows)]):
            pass
    finally:
        sampling.choose = choose
    steps = [start - end for start, end in zip(starts[1:], ends, strict=False)]
    return seen[0].clone(), statistics.median(steps) * rows / len(seen[0])


def ours(logits: torch.Tensor, heat: float, top_k: int, top_p: float) -> torch.Tensor:
    rows = len(logits)
    return sampling.choose(
        logits,
        torch.full((rows,), heat),
        torch.full((rows,), top_k),
        torch.full((rows,), top_p, dtype=torch.float64),
        torch.arange(rows),
        torch.zeros(rows, dtype=torch.int64),
    )


def warped(logits: torch.Tensor, heat: float, top_k: int, top_p: float) -> torch.Tensor:
    """What `model.generate` does after a step."""
    logits = logits.float()
    if heat == 0:
        return logits.argmax(-1)
    scores: Any = logits / heat
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    return torch.multinomial(scores.softmax(-1), 1)[:, 0]


def main(model: str | None, qwen3: bool, rounds: int, rows: int) -> None:
    job.set_threads(1)
    found = []
    for dtype in ("float32", "bfloat16"):
        given: dict[str, tuple[torch.Tensor, float | None]]
        if model:
            logits, step = of_steps(model, dtype, rows)
            given = {f"{dtype}, {logits.shape[1]:,} tokens": (logits, step * len(logits) / rows)}
        elif qwen3:
            with tempfile.TemporaryDirectory() as folder:
                gpu_replies.random_model(Path(folder), dtype, tiny_shape=False)
                logits, step = of_steps(folder, dtype, rows)
            step *= len(logits) / rows
            logits = like_a_model(*logits.shape).to(logits.dtype)
            given = {f"{dtype}, {logits.shape[1]:,} tokens": (logits, step)}
        else:
            given = {
                f"{dtype}, {size:,} tokens": (
                    like_a_model(rows, size).to(getattr(torch, dtype)),
                    None,
                )
                for size in VOCABULARIES
            }
        for case, (logits, step_s) in given.items():
            for name, *how in SETTINGS:
                settings: list[Any] = how
                ways = {
                    "ours": partial(ours, logits, *settings),
                    "transformers": partial(warped, logits, *settings),
                }
                taken = comparison.in_turns(ways, rounds)
                middle = statistics.median(taken["ours"])
                each = {
                    "rows": len(logits),
                    "ns_per_logit": round(1e9 * middle / logits.numel(), 2),
                }
                if step_s:
                    each["share"] = round(middle / (step_s + middle), 3)
                found += comparison.rows(f"{case}, {name}", taken, **each)
    comparison.report("choosing", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model folder; without it, random logits")
    parser.add_argument("--qwen3", action="store_true", help="a step of Qwen3-0.6B's shape")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=192)
    given = parser.parse_args()
    main(given.model, given.qwen3, given.rounds, given.rows)
