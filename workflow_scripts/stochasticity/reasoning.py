"""S4: the plain prompts with the model's reasoning switched on (S1 has them as configured)."""

import logging
from pathlib import Path
from typing import Any

from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.stochasticity import draws as reading
from workflow_scripts.stochasticity.requests import direct


def main(
    path: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    draws: int,
    max_tokens: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask one model with its `thinking` switch on; write the draws."""
    engine = engines.load(
        model,
        spec | {"thinking": True},
        checkpoint,
        batch_tokens=batch_tokens,
    )
    store = runner.store_of(engine)
    requests = inference.table(
        direct(
            "S4",
            target,
            "reasoning",
            prompts["plain"],
            n=draws,
            max_tokens=max_tokens,
            seed=seed,
        )
        for target, prompts in words.PROMPTS.items()
    )
    responses = runner.generate(requests, engine, store)
    tables.write(reading.of(requests, responses), path, reading.DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.output.draws,
            snakemake.wildcards.model,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            snakemake.params.batch_tokens,
            snakemake.params.draws,
            snakemake.params.max_tokens,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
