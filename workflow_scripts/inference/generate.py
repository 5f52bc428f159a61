"""Generates one model's responses to a study's requests."""

import logging
from typing import Any

from workflow_scripts.inference import engines, runner
from workflow_scripts.shared import job, schemas, tables


def main(
    requests: str,
    responses: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Read the request table, generate what the store lacks, write the response table.

    `spec` is the model's entry under `models`.
    """
    asked = tables.read(requests, schemas.REQUESTS)
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    parts = runner.stream(asked, engine, runner.store_of(engine))
    tables.write_parts(parts, responses, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
