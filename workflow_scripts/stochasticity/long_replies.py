"""S7 and S8: replies that hold many numbers, within a limit of tokens that follows from the model.

A tokenizer may need one token or six for the same number, so one limit for all models would cut the
replies of some. The limit is twice what a bare right reply takes, plus a preamble.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import seeds
from workflow_scripts.stochasticity import maps
from workflow_scripts.stochasticity.requests import Request, direct

Count = Callable[[str], int]  # number of tokens of a text

PREAMBLE = (
    "Sure! Here are 64 random numbers drawn from the normal distribution with mean 0 and variance "
    "1, each with 2 decimals, separated by commas, as you asked:"
)


def characters(text: str) -> int:
    """The limit of a model whose tokenizer is not here: no token is shorter than a character."""
    return len(text)


def counter(spec: dict[str, Any], checkpoint: str) -> Count:
    """Count tokens with the model's own tokenizer; characters for a model on a server."""
    if spec.get("engine") == "openai":
        return characters
    from transformers import AutoTokenizer

    at = {"revision": spec["revision"]} if "revision" in spec else {}
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, **at)

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count


def room(answer: str, count: Count) -> int:
    """Tokens allowed for a reply whose bare text is `answer`."""
    return 2 * count(answer) + count(PREAMBLE)


def batched(settings: dict[str, Any], draws: int, count: Count, seed: int) -> Iterator[Request]:
    """S7: several draws per reply, `draws` in total."""
    for target in settings["targets"]:
        rng = np.random.default_rng(0)  # the length of a typical answer, not a draw of the run
        for size in settings["sizes"]:
            prompt = words.batched(target, size)
            answer = ", ".join(words.draw(rng, target) for _ in range(size))
            fields = {"key": size, "batch": size, "n": max(1, draws // size), "seed": seed}
            limit = room(answer, count)
            yield direct("S7", target, "plain", prompt, max_tokens=limit, **fields)


def generators(settings: dict[str, Any], count: Count, seed: int) -> Iterator[Request]:
    """S8: small generators to run in text, from starts outside the embedded models' training."""
    steps = settings["steps"]
    for modulus in settings["moduli"]:
        rng = seeds.generator(seed, "lcg", modulus)
        cases: set[tuple[int, int, int, int]] = set()
        while len(cases) < settings["starts"]:
            cases.add(words.lcg_case(rng, modulus, "held_out"))
        prompts = [(words.lcg(*case, steps), [*case]) for case in sorted(cases)]
        yield from _generator(f"lcg-{modulus}", prompts, steps, count, seed)
    for bits in settings["xorshift_bits"]:
        rng = seeds.generator(seed, "xorshift", bits)
        starts = rng.choice(np.arange(1, 2**bits), settings["starts"], replace=False).tolist()
        prompts = [(maps.xorshift_prompt(bits, start, steps), [bits, start]) for start in starts]
        yield from _generator(f"xorshift-{bits}", prompts, steps, count, seed)


def _generator(
    style: str, prompts: list[tuple[str, list[int]]], steps: int, count: Count, seed: int
) -> Iterator[Request]:
    """Requests for the prompts and cases of one generator, all with the limit of the longest."""
    limit = max(room(maps.worked(style, case, steps), count) for _, case in prompts)
    fields = {"batch": steps, "n": 1, "max_tokens": limit, "seed": seed}
    for prompt, case in prompts:
        yield direct("S8", "steps", style, prompt, given=json.dumps(case), **fields)


def table(settings: dict[str, Any], draws: int, count: Count, seed: int) -> pd.DataFrame:
    """The request table of both; `settings` has the sections `batched` and `generators`."""
    return inference.table(
        [
            *batched(settings["batched"], draws, count, seed),
            *generators(settings["generators"], count, seed),
        ]
    )
