"""Answer a study's requests with one model."""

import logging
from pathlib import Path
from typing import Any

from workflow_scripts.inference import engines, runner
from workflow_scripts.shared import job, provenance, schemas, tables


def main(
    requests: str | Path,
    responses: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Read the request table, ask the model for what the store lacks, write the response table.

    `spec` is the model's entry under `models`.
    """
    asked = tables.read(requests, schemas.REQUESTS)
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    parts = runner.stream(asked, engine, runner.store_of(engine))
    tables.write_parts(parts, responses, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):  # type: ignore[name-defined]
        main(
            snakemake.input.requests,  # type: ignore[name-defined]
            snakemake.output.responses,  # type: ignore[name-defined]
            snakemake.wildcards.model,  # type: ignore[name-defined]
            snakemake.params.spec,  # type: ignore[name-defined]
            snakemake.params.checkpoint,  # type: ignore[name-defined]
            snakemake.params.batch_tokens,  # type: ignore[name-defined]
            provenance.of(snakemake),  # type: ignore[name-defined]
        )
