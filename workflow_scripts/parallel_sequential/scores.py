"""The study's table of scores: one number per row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential import accuracy, exploration, mechanism, stopping_scores
from workflow_scripts.parallel_sequential.accuracy import Arms
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, CHOICES, COPYING, SIMILARITY
from workflow_scripts.parallel_sequential.dialogue import MATH
from workflow_scripts.parallel_sequential.metrics import MAIN, sets_of
from workflow_scripts.parallel_sequential.rows import Rows, table
from workflow_scripts.parallel_sequential.stopping_scores import ROUNDS
from workflow_scripts.parallel_sequential.worlds import WORLDS
from workflow_scripts.shared import job, progress, schemas, seeds, tables
from workflow_scripts.shared.scores import Row

FOREIGN = ("other_seed", "other_model")


def arms_of(frame: pd.DataFrame, attempts: int) -> Arms:
    """The attempts of every arm as arrays (Q, C, N); the two main arms come first."""
    return {
        arm: sets_of(frame[frame["arm"] == arm], attempts, arm == "parallel")
        for arm in dict.fromkeys([*MAIN, *frame["arm"].unique()])
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
    stopping_scores.answered(rows, frame)
    if frame.loc[frame["arm"] == "sequential", "attempt"].max() < 2:
        return
    arms = arms_of(frame, attempts)
    accuracy.failures(rows, frame)
    accuracy.main_comparison(rows, arms, choices, attempts)
    accuracy.difficulty(rows, frame)
    accuracy.cost(rows, arms, attempts)
    accuracy.padding(rows, arms, frame, attempts)
    exploration.variety(rows, arms, attempts)
    exploration.likeness(rows, similarity)
    exploration.attribute(rows, arms["parallel"], arms["sequential"])
    accuracy.instructions(rows, arms, attempts)
    levels = frame.drop_duplicates("question").set_index("question")["level"]
    accuracy.feedback(rows, arms, attempts, levels)
    accuracy.rejection(rows, arms, frame, attempts)
    accuracy.foreign(rows, frame)


def of_attempts(
    attempts: Sequence[str | Path],
    choices: Sequence[str | Path],
    similarity: Sequence[str | Path],
    set_size: int,
    seed: int,
) -> list[list[Row]]:
    """Scores of all arms of all models, and of simulated answerers in a study of this size."""
    key: Any
    parts = [tables.read(path, ATTEMPTS) for path in attempts]
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    chosen = pd.concat([tables.read(path, CHOICES) for path in choices])
    alike = pd.concat([tables.read(path, SIMILARITY) for path in similarity])
    found: list[list[Row]] = []
    groups = list(frame.groupby(["model", "domain"], sort=False))
    for key, own in progress.track(groups, description="scores", unit="domain"):
        model, domain = key
        rows = Rows(model, domain, seeds.derive(seed, "scores", model, domain))
        picked, similar = (
            t[(t["model"] == model) & (t["domain"] == domain)] for t in (chosen, alike)
        )
        of_domain(rows, own, picked, similar, set_size)
        found.append(rows.made)
    asked = frame.loc[frame["domain"] == MATH, "question"].nunique()
    for world in WORLDS:
        rows = Rows(world, MATH, seeds.derive(seed, "scores", "recovery", world))
        exploration.recovery(rows, asked, int(frame["chain"].max()) + 1, set_size)
        found.append(rows.made)
    return found


def guards(paths: Sequence[str | Path]) -> list[str]:
    """What kept programs from reading files when the tables were graded (`sandbox.reads`)."""
    found = (tables.provenance(path).get("programs_read") for path in paths)
    return sorted({each for each in found if each})


def main(
    scores: str | Path,
    attempts: Sequence[str | Path],
    foreign: Sequence[str | Path],
    choices: Sequence[str | Path],
    copying: Sequence[str | Path],
    similarity: Sequence[str | Path],
    stopped: Sequence[str | Path],
    rounds: Sequence[str | Path],
    set_size: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Compute the scores of all models, and of the simulated answerers, from the models' tables.

    `set_size` is N. With stopping, there are only the attempts that were made until it was decided
    which arm is better (`stopped`) and the table of `rounds`.
    """
    key: Any
    found: list[list[Row]] = []
    if attempts:
        found += of_attempts([*attempts, *foreign], choices, similarity, set_size, seed)
    for path in stopped:
        for key, own in tables.read(path, ATTEMPTS).groupby(["model", "domain"], sort=False):
            model, domain = map(str, key)
            rows = Rows(model, domain, seeds.derive(seed, "scores", model, domain))
            stopping_scores.answered(rows, own)
            accuracy.failures(rows, own)
            found.append(rows.made)
    found += [stopping_scores.round_scores(tables.read(path, ROUNDS)) for path in rounds]
    for path in copying:
        inside = tables.read(path, COPYING)
        model = str(inside["model"].iloc[0])
        rows = Rows(model, MATH, seeds.derive(seed, "scores", model, "copying"))
        mechanism.copying(rows, inside)
        found.append(rows.made)
    more = {"programs_read": guards([*attempts, *foreign, *stopped])}
    tables.write(table(found), scores, schemas.SCORES, {**(provenance or {}), **more})


if __name__ == "__main__":
    job.run(snakemake, main)
