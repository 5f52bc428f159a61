"""Passes of studies through a pretrained model: answers written anew, and half precision on a CPU.

    python benchmarks/passes.py [--rounds 5]

`rewriting`: answers to prompts of one length are written anew from the right ones until nothing
changes. Ours keeps keys and values of the prompts; the baseline calls the model on whole prompts
and answers each time, as the studies did before. `half`: prompts read in bfloat16 and in float16,
with linear layers and products of attention through float32 where the processor has no instructions
for the type, and with torch's own. Log-probabilities and states of both ways are compared before
anything is timed. SmolLM2-135M-Instruct in float32, or a small random model where no package index
has it; one thread, process time.
"""

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import comparison
import numpy as np
import real_model
import torch

from tests.inference import tiny
from workflow_scripts.glasses import half_products
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.glasses.model_gaps import Reader
from workflow_scripts.inference import engines, placement
from workflow_scripts.shared import job

SPEC = {"source": "a folder", "engine": "transformers", "dtype": "float32"}
PROMPTS, TURNS = 6, 4
SIZES = ((70, 10), (100, 40))  # tokens of prompts and of answers
READ = 200  # tokens of a prompt that is read
HALVES = ("bfloat16", "float16")


def rows_of(prompt: int, answer: int) -> list[list[list[int]]]:
    """Tokens of the prompts with each of the answers to them: (turns, prompts, tokens)."""
    random = np.random.default_rng(prompt)
    fixed = random.integers(5, 300, (PROMPTS, prompt))
    fixed[:, : prompt // 2] = fixed[0, : prompt // 2]  # edits of one prompt begin alike
    ends = random.integers(5, 300, (TURNS, PROMPTS, answer))
    return [np.concatenate([fixed, end], axis=1).tolist() for end in ends]


def ours(engine: Any, rows: list[list[list[int]]], prompt: int) -> torch.Tensor:
    """Log-probabilities of the last turn's answers, (prompts, tokens, vocabulary)."""
    places = list(range(prompt - 1, len(rows[0][0]) - 1))
    rewriting = engine.rewriting(rows[0])
    found = rewriting.written(places)
    for turn in rows[1:]:
        found = rewriting.rewritten(list(range(PROMPTS)), turn, prompt - 1, places)
    return found


@torch.inference_mode()
def whole(engine: Any, rows: list[list[list[int]]], prompt: int) -> torch.Tensor:
    """The same from whole passes."""
    keep = len(rows[0][0]) - prompt + 1
    for turn in rows:
        ids = torch.tensor(turn)
        logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits
        found = logits[:, :-1].float().log_softmax(-1)
    return found


def read(model: Any, tokens: list[int], own: bool) -> np.ndarray:
    """States after every layer at the last token, with torch's `own` products or ours."""
    replaced = (
        mock.patch.object(half_products, "slow", return_value=False) if own else nullcontext()
    )
    with replaced, half_products.linear_layers(model), changed(model, Change()):
        return Reader(model).read(tokens, [len(tokens) - 1])


def main(arguments: argparse.Namespace) -> None:
    job.set_threads(1)
    folder = real_model.folder()
    if folder is None:
        folder = tempfile.mkdtemp()
        tiny.save(Path(folder), hidden=128, layers=4)
    engine: Any = engines.load("bench", SPEC, folder, attention="eager")
    found = []
    for prompt, answer in SIZES:
        rows = rows_of(prompt, answer)
        with torch.inference_mode():
            one, other = ours(engine, rows, prompt), whole(engine, rows, prompt)
        apart = f"at most {float((one - other).abs().max()):.1e} nats apart"
        ways = {
            "kept": lambda rows=rows, prompt=prompt: ours(engine, rows, prompt),
            "whole passes": lambda rows=rows, prompt=prompt: whole(engine, rows, prompt),
        }
        case = f"{PROMPTS} prompts of {prompt} tokens, answers of {answer} written {TURNS} times"
        taken = comparison.in_turns(ways, arguments.rounds)
        found += comparison.rows(case, taken, compared=apart)
    tokens = np.random.default_rng(0).integers(5, 300, READ).tolist()
    exact = read(engine.model, tokens, own=True)
    for name in HALVES:
        model = placement.copied(engine.model).to(getattr(torch, name))
        errors = [np.abs(read(model, tokens, own) - exact).mean() for own in (False, True)]
        ways = {
            "through float32": lambda model=model: read(model, tokens, own=False),
            "torch": lambda model=model: read(model, tokens, own=True),
        }
        taken = comparison.in_turns(ways, arguments.rounds)
        note = "mean error of a state {:.3g} and {:.3g}".format(*errors)
        case = f"a prompt of {READ} tokens read in {name}"
        found += comparison.rows(case, taken, compared=note)
    comparison.report("passes", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args())
