"""Scores of P4: do conditioned attempts explore less, and does that explain the gap?"""

import math
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential import attribution, metrics
from workflow_scripts.parallel_sequential.accuracy import MAIN, Arms
from workflow_scripts.parallel_sequential.metrics import MAJORITY, Sets, primary
from workflow_scripts.parallel_sequential.rows import DIFFERENCE, UNITS, Rows
from workflow_scripts.parallel_sequential.worlds import WORLDS, true_share
from workflow_scripts.shared import seeds, statistics
from workflow_scripts.shared.statistics import Bounds

COSINE: Bounds = (-1.0, 1.0)
VARIETY = {"unique": metrics.unique, "entropy_nats": metrics.entropy_nats}


def variety(rows: Rows, arms: Arms, attempts: int) -> None:
    """Distinct answers, their entropy, repeats, and steps between right and wrong."""
    last: dict[str, list[Any]] = {}
    for arm in MAIN:
        sets = arms[arm]
        for k in range(1, attempts + 1):
            values = {name: of(sets, k) for name, of in VARIETY.items()}
            for metric, value in values.items():
                rows.mean("P4", metric, value, arm=arm, k=k)
        for step, share in metrics.transitions(sets).items():
            rows.share("P4", "transition", share, arm=arm, cell=step)
        rows.share("P4", "repeat_rate", metrics.repeats(sets), arm=arm)
        for metric, value in values.items():
            last.setdefault(metric, []).append(value)
    where: Any = {"arm": "sequential", "k": attempts}
    for metric, (parallel, sequential) in last.items():
        rows.mean("P4", f"{metric}_excess", sequential - parallel, **where)
    repeated = [metrics.repeats(arms[arm]) for arm in reversed(MAIN)]
    rows.difference("P4", "repeat_rate_excess", *repeated, **where)


def twice(bounds: Bounds) -> Bounds:
    """The range of a difference of two numbers of the range `bounds`."""
    return bounds[0] - bounds[1], bounds[1] - bounds[0]


def likeness(rows: Rows, table: pd.DataFrame) -> None:
    """Similarity of solutions to one question, and its excess over that between questions.

    `table` is the similarity table of the model and domain.
    """
    for measure, own in table.groupby("measure"):
        pairs: Any = own[own["metric"] != "share"].pivot_table(
            index=["arm", "question"], columns="metric", values="value", aggfunc="mean"
        )
        if "between" not in pairs:
            continue
        above = (pairs["within"] - pairs["between"]).unstack("arm")
        for arm in above.columns:
            within = pairs.loc[arm, "within"].to_numpy(float)
            higher = above[arm].to_numpy(float)
            where: Any = {"arm": arm, "cell": measure}
            rows.mean("P4", "similarity", within, bounds=COSINE, **where)
            rows.mean("P4", "similarity_above", higher, bounds=twice(COSINE), **where)
        if set(MAIN) <= set(above.columns):
            excess = (above["sequential"] - above["parallel"]).to_numpy(float)
            where = {"arm": "sequential", "cell": measure}
            rows.mean("P4", "similarity_excess", excess, bounds=twice(twice(COSINE)), **where)
        for _, row in own[(own["metric"] == "share") & own["arm"].isin(MAIN)].iterrows():
            where = {"arm": row["arm"], "cell": f"{measure} {row['bin']:.2f}"}
            rows.number("P4", "similarity_share", row["value"], 1, "histograms", **where)


def attribute(rows: Rows, parallel: Sets, sequential: Sets, experiment: str = "P4") -> None:
    """The part of the gap that repeats explain, as accuracy and as a share of the gap.

    The sets have shape (Q, C, N). The gap is that of the main aggregator over whole sets. The share
    is given only where the interval of the gap lies above 0; otherwise there is no gap to explain,
    and a note says so.
    """
    aggregator = primary(rows.domain)
    columns = attribution.columns(parallel, sequential, aggregator, rows.seed)
    at = {"arm": "sequential", "aggregator": aggregator, "k": parallel.answers.shape[-1]}
    rows.difference(experiment, "gap_to_explain", columns[5], columns[6], **at)
    gap = rows.made[-1]
    bounds = {"copy_rate": DIFFERENCE, "gap_explained": DIFFERENCE, "gap_explained_share": None}
    for name, limits in bounds.items():
        key = seeds.derive(rows.seed, "attribution", experiment, name)
        of = attribution.statistic(name)
        found = statistics.bootstrap(columns, of, key, bounds=limits)
        if name == "gap_explained_share" and not (gap["ci_low"] or 0) > 0:
            ends = "no interval"
            if gap["ci_low"] is not None:
                ends = f"{gap['ci_low']:.3f} to {gap['ci_high']:.3f}"
            note = f"no gap to explain: {gap['value']:.3f} ({ends})"
            rows.number(experiment, name, math.nan, found.n, UNITS, note=note, **at)
            continue
        rows.interval(experiment, name, found, **at)


def recovery(rows: Rows, questions: int, chains: int, attempts: int) -> None:
    """Whether `attribute` gives back the known share of each simulated world.

    The worlds have as many questions, chains and attempts as the study.
    """
    world = WORLDS[rows.model]
    rng = np.random.default_rng(seeds.derive(rows.seed, "world"))
    attribute(rows, *world.sets(questions, chains, attempts, rng), experiment="recovery")
    truth = true_share(world, attempts)
    at = {"arm": "sequential", "aggregator": MAJORITY, "k": attempts}
    rows.number("recovery", "true_share", truth, 1, "simulations", **at)
