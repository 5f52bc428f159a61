"""The exact law of one model's answers, prompt by prompt, under every setting of the decoder.

The prompts are those of S1, S2 and S14 and a die; the settings are those of S3. The law comes from
the model's logits (`inference/laws.py`), so nothing is drawn and nothing is left to chance. Only
engines that give the logits of all tokens can do this: `transformers`.
"""

import json
import logging
from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, laws
from workflow_scripts.inference.laws import Setting
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, tables
from workflow_scripts.stochasticity import asking, requests, supports
from workflow_scripts.stochasticity.asking import Manner, Request, direct
from workflow_scripts.stochasticity.draw_table import CONDITIONS, UNFILTERED
from workflow_scripts.stochasticity.law_table import EXPERIMENT, LAWS

log = logging.getLogger(__name__)

DIE = f"Roll a fair die with {supports.SIDES} sides. Reply with the number only."


def settings_of(decoding: dict[str, Any]) -> list[Setting]:
    """The model as it is, the grid of S3, a vendor's setting, and each temperature unfiltered."""
    grid = [UNFILTERED]
    grid += [
        UNFILTERED | {"temperature": t, "top_p": p}
        for t, p in product(decoding["temperatures"], decoding["top_ps"])
    ]
    grid += [decoding["recommended"]] if decoding["recommended"] else []
    grid += [UNFILTERED | {"temperature": each["temperature"]} for each in grid]
    found = [Setting(float(e["temperature"]), float(e["top_p"]), e["top_k"]) for e in grid]
    return list(dict.fromkeys(found))


def prompts(
    manner: Manner, settings: dict[str, Any], discrete: dict[str, Any]
) -> Iterator[Request]:
    """One request per prompt, as S1, S2 and S14 send it."""
    fields: dict[str, Any] = {"tokens": manner.short, "seed": 0}
    for target in settings["targets"]:
        if target == supports.DIE:
            yield direct(manner, EXPERIMENT, target, "plain", DIE, **fields)
            continue
        for style in settings["styles"]:
            yield direct(manner, EXPERIMENT, target, style, words.PROMPTS[target][style], **fields)
    for request in requests.discrete(manner, discrete, 1, 0):
        yield request | {"experiment": EXPERIMENT}


def rows(request: Request, found: laws.Law, settings: list[Setting]) -> Iterator[dict[str, Any]]:
    """The rows of one prompt's law."""
    support = supports.of(request["target"])
    fixed = {name: request[name] for name in CONDITIONS}
    fixed |= {"sequences": found.sequences, "tokens": found.tokens}
    for number, setting in enumerate(settings):
        own = fixed | setting._asdict()
        for part, mass in (
            ("outside", found.outside[number]),
            ("unresolved", found.unresolved[number]),
        ):
            yield own | {"part": part, "answer": "", "probability": float(mass)}
        for answer, mass in zip(support.answers, found.answers[number].tolist(), strict=True):
            if mass > 0:
                yield own | {"part": "answer", "answer": answer, "probability": mass}


def main(
    laws_table: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    settings: dict[str, Any],
    decoding: dict[str, Any],
    discrete: dict[str, Any],
    asked: dict[str, Any],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the laws of one model.

    `settings`, `decoding` and `discrete` are sections of the study's config; `asked` is what
    the model's kind says (`kinds.asked`).
    """
    engine: Any = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    grid = settings_of(decoding)
    written: list[dict[str, Any]] = []
    manner = asking.of(model, asked, spec, checkpoint)
    for request in prompts(manner, settings, discrete):
        found = laws.law(
            engine,
            engine.encode(json.loads(request["messages"])),
            request["max_tokens"],
            json.loads(request["stop"]),
            supports.of(request["target"]),
            grid,
            settings["least"],
        )
        log.info(
            "%s, %s: %d sequences, at most %.1e unresolved, %.3f to %.3f outside",
            request["target"],
            request["style"],
            found.sequences,
            found.unresolved.max(),
            found.outside.min(),
            found.outside.max(),
        )
        written += rows(request, found, grid)
    frame = pd.DataFrame(written).assign(model=model)
    tables.write(frame, laws_table, LAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
