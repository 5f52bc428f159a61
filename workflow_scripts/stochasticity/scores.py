"""All scores of the study: every condition of every model, the controls, and who took no part."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import job, provenance, schemas, seeds, tables
from workflow_scripts.shared.statistics import holm
from workflow_scripts.stochasticity import analysis, scoring, targets
from workflow_scripts.stochasticity import draws as reading
from workflow_scripts.stochasticity.controls import RIGGED, TRUE
from workflow_scripts.stochasticity.draws import CONDITIONS
from workflow_scripts.stochasticity.scoring import Row

LAGS = 16


def condition_scores(condition: Row, frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Scores of one condition's draws, part by part."""
    experiment = condition["experiment"]
    if experiment == "S8":
        yield from analysis.generators(condition, frame, seed)
        return
    parts = dict(list(frame.groupby("part")))
    own = parts.get("seed")
    if own is not None:
        # The number that the model made up is a draw of its own kind: uniform on [0, 1].
        numbers = condition | {"target": "seed"}
        yield from analysis.failures(numbers, own)
        yield from _fit(numbers, own, seed)
    if "count" in parts:
        found = parts["count"]["value"].to_numpy()
        yield from analysis.counts(condition, found, condition["batch"], seed)
    drawn = parts["draw"]
    yield from analysis.failures(condition, drawn)
    yield from _fit(condition, drawn, seed)
    if experiment in ("S9", "S10"):
        yield from analysis.mapped(condition, drawn, seed)
    if experiment in ("S1", "S4", "S11"):
        yield analysis.tokens(condition, drawn, seed)
    if experiment == "S11":
        yield from _programs(condition, drawn)
    if experiment in ("S5", "S6", "S7"):
        target = targets.of(condition["target"])
        if experiment == "S7":
            yield from analysis.positions(condition, drawn, target)
        yield from analysis.chains(condition, sequences(drawn), target, LAGS, seed)


def _fit(condition: Row, drawn: pd.DataFrame, seed: int) -> list[Row]:
    values = drawn["value"].dropna().to_numpy()
    target = targets.of(condition["target"])
    rows = analysis.fit(condition, values, target, seed)
    if values.size and target.edges is not None:
        rows.append(analysis.duplicates(condition, values))
    return rows


def _programs(condition: Row, drawn: pd.DataFrame) -> Iterator[Row]:
    """S11: programs that set a seed; whether all ran without a network namespace."""
    written = drawn.dropna(subset="seeded")
    seeded = int(written["seeded"].astype(bool).sum())
    yield scoring.row(condition, "seeded_rate", analysis.proportion(seeded, len(written)))
    cut = int(written["network_cut"].astype(bool).sum())
    note = "" if cut == len(written) else "no network namespace here: sockets refused by audit hook"
    share = analysis.proportion(cut, len(written))
    yield scoring.row(condition, "network_cut_rate", share, note=note)


def sequences(drawn: pd.DataFrame) -> list[np.ndarray]:
    """The values of each unit in the order of their positions."""
    ordered = drawn.sort_values(["unit", "position"], kind="stable")
    return [group.to_numpy() for _, group in ordered.groupby("unit")["value"]]


def all_scores(frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Scores of every condition and model in a table of draws."""
    for key, group in frame.groupby([*CONDITIONS, "model"], sort=True):
        condition = dict(zip([*CONDITIONS, "model"], key, strict=True))
        yield from condition_scores(condition, group, seeds.derive(seed, *map(str, key)))


def no_part(models: Sequence[str], takes_part: dict[str, set[str]]) -> list[Row]:
    """One row for each model and experiment without draws, with the reason."""
    reasons = {
        "S4": "the model has no `thinking` switch in its settings",
        "S11": "not listed under stochasticity.code_tool.models: it writes no programs",
        "S13": "not listed under stochasticity.stages: no other checkpoints of its training",
    }
    return [
        scoring.absent(scoring.base(experiment, "", "", model), why)
        for experiment, why in reasons.items()
        for model in models
        if model not in takes_part[experiment]
    ]


def stages(rows: list[Row], families: Sequence[Sequence[str]]) -> list[Row]:
    """S13: the distance of S1 by stage of training, first stage first (`cell`)."""
    return [
        row | {"experiment": "S13", "cell": f"{number}"}
        for family in families
        for number, model in enumerate(family)
        for row in rows
        if row["experiment"] == "S1" and row["model"] == model and row["metric"] == "tv"
    ]


def adjusted(rows: list[Row]) -> list[Row]:
    """Holm's adjustment of all chi-square p-values of fit, over all models and conditions."""
    family = [
        row
        for row in rows
        if row["metric"] == "chi_square_p" and row["model"] not in (TRUE, RIGGED)
    ]
    values = holm([row["value"] for row in family])
    return [
        row | {"metric": "chi_square_p_holm", "value": float(p)}
        for row, p in zip(family, values, strict=True)
    ]


def main(
    requests: str | Path,
    responses: Sequence[str | Path],
    drawn: Sequence[str | Path],
    rates: str | Path,
    path: str | Path,
    models: Sequence[str],
    families: Sequence[Sequence[str]],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the scores.

    `drawn` are the tables of draws that other rules wrote: controls, chains (S5, S6), reasoning
    (S4), programs (S11); `rates` are the pass rates and power of the controls.
    """
    asked = tables.read(requests, schemas.REQUESTS)
    frames = [reading.of(asked, tables.read(file, schemas.RESPONSES)) for file in responses]
    frames += [tables.read(file, reading.DRAWS) for file in drawn]
    rows: list[Row] = []
    takes_part: dict[str, set[str]] = {
        "S4": set(),
        "S11": set(),
        "S13": {m for f in families for m in f},
    }
    for frame in frames:
        rows.extend(all_scores(frame, seed))
        for experiment in ("S4", "S11"):
            takes_part[experiment] |= set(frame.loc[frame["experiment"] == experiment, "model"])
    rows += stages(rows, families) + adjusted(rows) + no_part(models, takes_part)
    table = pd.concat([scoring.table(rows), tables.read(rates)], ignore_index=True)
    tables.write(table, path, schemas.SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.requests,
            snakemake.input.responses,
            snakemake.input.draws,
            snakemake.input.rates,
            snakemake.output.scores,
            snakemake.params.models,
            snakemake.params.stages,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
