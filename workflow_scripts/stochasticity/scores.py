"""All scores of the study: every condition of every model, the controls, and what was not run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared import job, schemas, seeds, tables
from workflow_scripts.shared.scores import Row, absent, table
from workflow_scripts.shared.statistics import holm
from workflow_scripts.stochasticity import collision_scores, exact_scores, parsing, stopping_scores
from workflow_scripts.stochasticity.condition_scores import condition_scores
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS, RIGGED, TRUE, UNFILTERED
from workflow_scripts.stochasticity.law_table import EXPERIMENT, LAWS

CONTROLS = (TRUE, RIGGED)
REASONS = {
    "S1": "asked until it is decided (stochasticity.stopping): see claim X6",
    "S4": "kind {kind}: the model has no thoughts that can be switched off and on",
    "S11": "kind {kind}: the model is not asked for programs (`programs` in section kinds)",
    stopping_scores.EXPERIMENT: "stochasticity.stopping is off in this run",
    EXPERIMENT: "kind {kind}: the model's engine does not give the logits of all tokens",
    "S13": "not listed under stochasticity.stages: no other checkpoints of its training",
}


def all_scores(frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Scores of every condition and model in a table of draws."""
    columns = [*CONDITIONS, "model"]
    for key, group in frame.groupby(columns, sort=True):
        condition = dict(zip(columns, key, strict=True))
        yield from condition_scores(condition, group, seeds.derive(seed, *map(str, key)))


def not_run(models: Mapping[str, str], ran: set[tuple[str, str]]) -> Iterator[Row]:
    """One row per optional experiment and model without draws, with the reason.

    `models` maps each model to its kind; `ran` holds the pairs of experiment and model that were
    run.
    """
    condition = UNFILTERED | {"target": "", "style": "", "batch": 1}
    for experiment, reason in REASONS.items():
        for model, kind in models.items():
            if (experiment, model) not in ran:
                row = condition | {"model": model, "units": "draws"}
                yield absent(experiment, "draws", reason.format(kind=kind), **row)


def by_stage(rows: Sequence[Row], stages: Sequence[Sequence[str]]) -> list[Row]:
    """S13: total variation in S1 by stage of training (`cell`), first stage first."""
    return [
        row | {"experiment": "S13", "cell": str(number)}
        for family in stages
        for number, model in enumerate(family)
        for row in rows
        if (row["experiment"], row["model"], row["metric"]) == ("S1", model, "tv")
    ]


def adjusted(rows: Sequence[Row]) -> list[Row]:
    """Holm's adjustment over all models and conditions: p-values of fit, and of periodicity."""
    found = []
    for metric in ("chi_square_p", "periodicity_p"):
        family = [row for row in rows if row["metric"] == metric and row["model"] not in CONTROLS]
        values = holm([row["value"] for row in family])
        found += [
            row | {"metric": f"{metric}_holm", "value": float(p)}
            for row, p in zip(family, values, strict=True)
        ]
    return found


def main(
    requests: Sequence[str],
    responses: Sequence[str],
    draw_tables: Sequence[str],
    laws: Sequence[str],
    rounds: Sequence[str],
    rates: str,
    scores: str,
    models: Mapping[str, str],
    stages: Sequence[Sequence[str]],
    draws: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the scores of all draws, with the pass rates and power of the controls (`rates`).

    Draws are read from the `responses` of each model to its `requests`, and from the `draw_tables`
    of other rules: controls, chains and long replies (S5 to S8), reasoning (S4), programs (S11).
    `laws` are the exact laws of the models that have some, `rounds` what was asked with stopping,
    in place of `draws` of S1. `models` maps each model to its kind.
    """
    known = {str(law["model"].iloc[0]): law for law in (tables.read(file, LAWS) for file in laws)}
    ran = {("S13", model) for family in stages for model in family}
    ran |= {(EXPERIMENT, model) for model in known}
    rows: list[Row] = [row for law in known.values() for row in exact_scores.law_scores(law)]
    for file in rounds:
        told = tables.read(file, stopping_scores.ROUNDS)
        rows += stopping_scores.round_scores(told, draws)
        ran.add((stopping_scores.EXPERIMENT, str(told["model"].iloc[0])))
    frames = []
    for asked, file in zip(requests, responses, strict=True):
        sent, told = tables.read(asked, schemas.REQUESTS), tables.read(file, schemas.RESPONSES)
        frames.append(parsing.draws(sent, told))
        if (law := known.get(str(told["model"].iloc[0]))) is not None:
            rows += exact_scores.draw_scores(law, sent, told, seed)
    frames += [tables.read(file, DRAWS) for file in draw_tables]
    for drawn in frames:
        rows += all_scores(drawn, seed)
        ran |= set(zip(drawn["experiment"], drawn["model"], strict=True))
    rows += collision_scores.law_scores(known.values())
    rows += collision_scores.draw_scores(frames)
    rows += [*by_stage(rows, stages), *adjusted(rows), *not_run(models, ran)]
    frame = table([rows, tables.read(rates)], [*CONDITIONS[1:], "cell"], texts=("cell",))
    tables.write(frame, scores, schemas.SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
