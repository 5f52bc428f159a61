"""Everything the study measured, as one table of scores: one row, one number."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential import accuracy, exploration, mechanism, scoring
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, CHOICES, COPYING, SIMILARITY
from workflow_scripts.parallel_sequential.dialogue import MATH
from workflow_scripts.parallel_sequential.measures import Sets, sets_of
from workflow_scripts.parallel_sequential.scoring import Rows
from workflow_scripts.shared import job, progress, provenance, schemas, seeds, tables

FOREIGN = ("other_seed", "other_model")


def arms_of(frame: pd.DataFrame, attempts: int) -> dict[str, Sets]:
    """Arrays of every arm with all its attempts; the two main arms come first."""
    names = ["parallel", "sequential", *frame["arm"].unique()]
    return {
        arm: sets_of(frame[frame["arm"] == arm], attempts, arm == "parallel")
        for arm in dict.fromkeys(names)
        if arm not in FOREIGN
    }


def of_domain(
    rows: Rows,
    frame: pd.DataFrame,
    choices: pd.DataFrame,
    similarity: pd.DataFrame,
    attempts: int,
) -> None:
    """All scores of one model in one domain."""
    sequential = frame[frame["arm"] == "sequential"]
    if sequential["attempt"].max() < 2:
        note = f"none of {len(frame)} first attempts holds an answer: the model takes no part"
        rows.exact("P1", "answered_share", 0.0, len(frame), note=note)
        return
    arms = arms_of(frame, attempts)
    share = float((frame["answer"] != "").mean())
    rows.exact("P1", "answered_share", share, len(frame))
    accuracy.main_comparison(rows, arms, choices, attempts)
    accuracy.difficulty(rows, frame)
    accuracy.cost(rows, arms, attempts)
    accuracy.padding(rows, arms, frame, attempts)
    exploration.variety(rows, arms, attempts)
    exploration.likeness(rows, similarity)
    exploration.attribute(rows, arms)
    accuracy.instructions(rows, arms, attempts)
    accuracy.feedback(rows, arms, attempts)
    accuracy.rejection(rows, arms, frame, attempts)
    accuracy.foreign(rows, frame)


def main(
    path: str | Path,
    attempts_paths: Sequence[str | Path],
    foreign_paths: Sequence[str | Path],
    choices_paths: Sequence[str | Path],
    copying_paths: Sequence[str | Path],
    similarity_path: str | Path,
    attempts: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Join the tables of all models and write the scores."""
    key: Any
    parts = [tables.read(each, ATTEMPTS) for each in (*attempts_paths, *foreign_paths)]
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    choices = pd.concat([tables.read(each, CHOICES) for each in choices_paths])
    similarity = tables.read(similarity_path, SIMILARITY)
    made: list[scoring.Row] = []
    groups = list(frame.groupby(["model", "domain"], sort=False))
    for key, own in progress.track(groups, description="scores", unit="domain"):
        model, domain = key
        rows = Rows(model, domain, seeds.derive(seed, "scores", model, domain))
        chosen = choices[(choices["model"] == model) & (choices["domain"] == domain)]
        alike = similarity[(similarity["model"] == model) & (similarity["domain"] == domain)]
        of_domain(rows, own, chosen, alike, attempts)
        made += rows.made
    for each in copying_paths:
        table = tables.read(each, COPYING)
        model = str(table["model"].iloc[0])
        rows = Rows(model, MATH, seeds.derive(seed, "scores", model, "copying"))
        mechanism.copying(rows, table)
        made += rows.made
    tables.write(scoring.table(made), path, schemas.SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.output.scores,
            list(snakemake.input.attempts),
            list(snakemake.input.foreign),
            list(snakemake.input.choices),
            list(snakemake.input.copying),
            snakemake.input.similarity,
            snakemake.params.attempts,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
