"""S7 and S8: replies that hold many numbers, within a limit that follows from the tokenizer."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import seeds
from workflow_scripts.stochasticity import maps
from workflow_scripts.stochasticity.asking import Manner, Request, direct, room


def batched(manner: Manner, settings: dict[str, Any], draws: int, seed: int) -> Iterator[Request]:
    """S7: several draws per reply, `draws` in total."""
    for target in settings["targets"]:
        rng = np.random.default_rng(0)  # the length of a typical answer, not a draw of the run
        for size in settings["sizes"]:
            prompt = words.batched(target, size)
            answer = ", ".join(words.draw(rng, target) for _ in range(size))
            fields: Request = {"key": size, "batch": size, "n": max(1, draws // size), "seed": seed}
            fields |= {"tokens": room(answer, manner.count), "form": "list"}
            yield direct(manner, "S7", target, "plain", prompt, **fields)


def generators(manner: Manner, settings: dict[str, Any], seed: int) -> Iterator[Request]:
    """S8: small generators to run in text, from starts outside the embedded models' training."""
    steps = settings["steps"]
    for modulus in settings["moduli"]:
        rng = seeds.generator(seed, "lcg", modulus)
        cases: set[tuple[int, int, int, int]] = set()
        while len(cases) < settings["starts"]:
            cases.add(words.lcg_case(rng, modulus, "held_out"))
        prompts = [(words.lcg(*case, steps), [*case]) for case in sorted(cases)]
        yield from _generator(manner, f"lcg-{modulus}", prompts, steps, seed)
    for bits in settings["xorshift_bits"]:
        rng = seeds.generator(seed, "xorshift", bits)
        starts = rng.choice(np.arange(1, 2**bits), settings["starts"], replace=False).tolist()
        prompts = [(maps.xorshift_prompt(bits, start, steps), [bits, start]) for start in starts]
        yield from _generator(manner, f"xorshift-{bits}", prompts, steps, seed)


def _generator(
    manner: Manner, style: str, prompts: list[tuple[str, list[int]]], steps: int, seed: int
) -> Iterator[Request]:
    """Requests for the prompts and cases of one generator, all with the limit of the longest."""
    longest = max(room(maps.worked(style, case, steps), manner.count) for _, case in prompts)
    fields: Request = {"tokens": longest, "form": "steps", "batch": steps, "n": 1, "seed": seed}
    for prompt, case in prompts:
        yield direct(manner, "S8", "steps", style, prompt, given=json.dumps(case), **fields)


def table(manner: Manner, settings: dict[str, Any], draws: int, seed: int) -> pd.DataFrame:
    """The request table of both; `settings` has the sections `batched` and `generators`."""
    return inference.table(
        [
            *batched(manner, settings["batched"], draws, seed),
            *generators(manner, settings["generators"], seed),
        ]
    )
