"""S4: the plain prompts with the model's thoughts switched on (S1 asks as its kind says)."""

import logging
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, replies, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, tables
from workflow_scripts.stochasticity import asking, parsing
from workflow_scripts.stochasticity.asking import Manner, direct
from workflow_scripts.stochasticity.draw_table import DRAWS


def table(manner: Manner, draws: int, seed: int) -> pd.DataFrame:
    """The requests: the plain prompt for a draw of every target."""
    fields: dict[str, Any] = {"tokens": manner.short, "n": draws, "seed": seed}
    return inference.table(
        direct(manner, "S4", target, "reasoning", prompts["plain"], **fields)
        for target, prompts in words.PROMPTS.items()
    )


def main(
    draw_table: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    draws: int,
    asked: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask one model with its thoughts on; write the table of draws.

    `asked` is what the model's kind says (`kinds.asked`); replies get its `thought_tokens` more.
    """
    spec, asked = spec | {"thinking": True}, asked | {"thinks": True}
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    requests = table(asking.of(model, asked, spec, checkpoint), draws, seed)
    responses = runner.generate(requests, engine, runner.store_of(engine))
    # A template may open the thoughts in the prompt: a reply without their end is unfinished.
    open_ones = responses["text"].map(lambda text: replies.spoken(text, thinks=True) is None)
    ended = responses["finish_reason"].mask(open_ones, "length")
    drawn = parsing.draws(requests, responses.assign(finish_reason=ended))
    tables.write(drawn, draw_table, DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
