"""All measurements of the study as one table of scores: one row, one number."""

from typing import Any

import pandas as pd

from workflow_scripts.glasses import answers
from workflow_scripts.shared import job, schemas, scores, tables

TEXTS = [
    "task",
    "prompting",
    "family",
    "panel",
    "cure",
    "encoding",
    "part",
    "precision",
    "cache",
    "place",
]
WHOLE = ["depth", "layer", "head", "position", "length", "answer"]
CONDITIONS = [*TEXTS, *WHOLE]


def main(
    requests: list[str],
    responses: list[str],
    theory: str,
    collapse: str,
    models_inside: list[str],
    budgets: list[str],
    table: str,
    models: list[str],
    trained: dict[str, int],
    thinking: dict[str, bool],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Join the finished rows of theory, random decoders and models with those of the replies.

    `requests` and `responses` are in the order of `models`. `trained` maps each stand-in to the
    greatest count it was trained on, `thinking` each model to whether it thinks before it answers.
    """
    parts = [tables.read(path) for path in (theory, collapse, *models_inside, *budgets)]
    for model, questions, replies in zip(models, requests, responses, strict=True):
        asked = tables.read(questions, schemas.REQUESTS)
        read = answers.read(asked, tables.read(replies, schemas.RESPONSES), thinking)
        rows = [*answers.copying(read, seed), *answers.counting(read, seed, trained.get(model))]
        parts.append(pd.DataFrame(rows).assign(model=model))
    frame = scores.table(parts, CONDITIONS, whole=WHOLE, texts=TEXTS)
    tables.write(frame, table, schemas.SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
