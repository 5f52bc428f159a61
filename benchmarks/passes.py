"""Passes of studies through a pretrained model: answers in parallel, half precision on a CPU.

    python benchmarks/passes.py [--rounds 5]

`perplexity` asks for copies, of strings and of edits of one string. Ours writes the answers from
the first wrong symbol on, a few symbols at a time, with the keys and values of what stays; the
baseline calls the model on whole prompts and answers until no symbol changes. `glasses` reads
prompts in bfloat16 and float16: ours computes linear layers and attention through float32 where the
processor has no instructions for the type, the baseline with torch's own products. The answers and
the errors of both ways are compared before anything is timed. SmolLM2-135M-Instruct in float32, or
a small random model where no package index has it; one thread, process time.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
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
from workflow_scripts.perplexity import choosing, digits, edited_answers, edits, models
from workflow_scripts.perplexity.digits import Spelling
from workflow_scripts.shared import job

SPEC = {"source": "a folder", "engine": "transformers", "dtype": "float32", "chat_template": True}
WORDING = "Copy this string: {}"
COPIED, EDITED = (16, 48), (8, 24)  # bits of a string
EDITS = 6
READ = 200  # tokens of a prompt that is read
HALVES = ("bfloat16", "float16")

Symbols = list[list[int]]


@torch.inference_mode()
def whole_passes(prompts: bool, engine: Any, spelt: Sequence[Spelling], right: Symbols) -> Symbols:
    """Answers from passes over whole prompts and answers, until nothing changes.

    With `prompts`, the first pass gives log-probabilities after every token of the prompts, too.
    """
    frame, written = spelt[0], [list(each) for each in right]
    keep = len(frame.answer) + 1
    for turn in range(len(frame.slots) + 1):
        ids = torch.tensor(list(map(choosing.row_of, spelt, written)))
        more = len(frame.prompt) - 1 if prompts and not turn else 0
        logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=keep + more).logits
        logs = logits.float().log_softmax(-1)[:, more:][:, frame.slots]
        new = choosing.preferred(frame, logs)
        if new == written:
            break
        written = new
    return written


def copies(engine: Any, spelt: Sequence[Spelling], right: Symbols) -> Symbols:
    return [given for given, _ in models.greedy(engine, spelt, right)]


def edited(engine: Any, spelt: Sequence[Spelling], right: Symbols) -> Symbols:
    nothing = torch.zeros(len(right[0]), engine.vocabulary)
    answers = edited_answers.answers(engine, spelt, right, nothing)
    return [list(each.given) for each in answers]


def strings(engine: Any, size: int, way: str) -> tuple[list[Spelling], Symbols]:
    """Zeros, and zeros with a last one."""
    shown = list(models.strings(size).values())
    return [models.checked(engine, WORDING, bits, way) for bits in shown], shown


def edits_of_one(engine: Any, size: int, way: str) -> tuple[list[Spelling], Symbols]:
    rng = np.random.default_rng(size)
    prompt = edits.drawn("bits", size, 1, rng)[0]
    base = edited_answers.spelt(engine, prompt, WORDING, way)
    assert base is not None
    drawn = edits.chosen(prompt, edits.CHANGE, EDITS, rng)
    spelt = [edited_answers.edited(engine, base, each.prompt, WORDING, way) for each in drawn]
    pairs = [(s, list(e.prompt.answer)) for s, e in zip(spelt, drawn, strict=True) if s]
    return [each for each, _ in pairs], [answer for _, answer in pairs]


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
    way = digits.way_of(engine, WORDING, max(COPIED))
    found: list[dict[str, Any]] = []
    for name, drawn, write, whole, sizes in (
        ("copies of 2 strings", strings, copies, partial(whole_passes, False), COPIED),
        (
            f"copies of {EDITS} edits of one string",
            *(edits_of_one, edited, partial(whole_passes, True), EDITED),
        ),
    ):
        for size in sizes:
            spelt, right = drawn(engine, size, way)
            one, other = write(engine, spelt, right), whole(engine, spelt, right)
            wrong = sum(given != wanted for given, wanted in zip(one, right, strict=True))
            note = f"{'equal' if one == other else 'other'} answers, {wrong} of them wrong"
            ways: dict[str, Callable[[], Any]] = {
                "in parts": partial(write, engine, spelt, right),
                "whole passes": partial(whole, engine, spelt, right),
            }
            taken = comparison.in_turns(ways, arguments.rounds)
            found += comparison.rows(f"{name} of {size} bits", taken, compared=note)
    tokens = np.random.default_rng(0).integers(5, 300, READ).tolist()
    exact = read(engine.model, tokens, own=True)
    for name in HALVES:
        model = placement.copied(engine.model).to(getattr(torch, name))
        errors = [np.abs(read(model, tokens, own) - exact).mean() for own in (False, True)]
        ways = {
            "through float32": partial(read, model, tokens, own=False),
            "torch": partial(read, model, tokens, own=True),
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
