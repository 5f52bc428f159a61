"""S4: the plain prompts with the model's reasoning switched on (S1 asks them as configured)."""

import logging
from typing import Any

from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, tables
from workflow_scripts.stochasticity import parsing
from workflow_scripts.stochasticity.draw_table import DRAWS
from workflow_scripts.stochasticity.requests import direct


def main(
    draw_table: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    draws: int,
    max_tokens: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask one model with its `thinking` switch on; write the table of draws."""
    spec = spec | {"thinking": True}
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    fields = {"n": draws, "max_tokens": max_tokens, "seed": seed}
    requests = inference.table(
        direct("S4", target, "reasoning", prompts["plain"], **fields)
        for target, prompts in words.PROMPTS.items()
    )
    responses = runner.generate(requests, engine, runner.store_of(engine))
    tables.write(parsing.draws(requests, responses), draw_table, DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
