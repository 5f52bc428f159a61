"""Everything the study measured, as one table of scores: one row, one number."""

from typing import Any

import pandas as pd

from workflow_scripts.glasses import answers
from workflow_scripts.shared import job, provenance, schemas, tables
from workflow_scripts.shared.schemas import SCORES

CONDITIONS = [
    "task",
    "prompting",
    "family",
    "panel",
    "cure",
    "encoding",
    "part",
    "precision",
    "place",
    "depth",
    "layer",
    "head",
    "position",
    "length",
    "answer",
]
WHOLE = ("depth", "layer", "head", "position", "length", "answer")


def main(
    requests: str,
    responses: dict[str, str],
    parts: list[str],
    table: str,
    trained: dict[str, int],
    thinking: dict[str, bool],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """`responses` maps each model to its replies; `parts` are tables of finished rows.

    `trained` holds the greatest count that each stand-in was taught.
    """
    asked = tables.read(requests, schemas.REQUESTS)
    frames = [tables.read(path) for path in parts]
    for model, path in responses.items():
        read = answers.read(asked, tables.read(path, schemas.RESPONSES), thinking)
        rows = [*answers.copying(read, seed), *answers.counting(read, seed, trained.get(model))]
        frames.append(pd.DataFrame(rows).assign(model=model))
    columns = ["experiment", *CONDITIONS, "model", "seed", "metric"]
    columns += ["value", "ci_low", "ci_high", "n"]
    frame = pd.concat(frames, ignore_index=True).reindex(columns=columns)
    for column in WHOLE:
        frame[column] = frame[column].astype("Int64")
    for column in set(CONDITIONS) - set(WHOLE):
        frame[column] = frame[column].astype("string")
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.requests,
            dict(zip(params.models, snakemake.input.responses, strict=True)),
            [snakemake.input.theory, snakemake.input.collapse, *snakemake.input.gaps],
            snakemake.output.table,
            params.trained,
            params.thinking,
            params.seed,
            provenance=provenance.of(snakemake),
        )
