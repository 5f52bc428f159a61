"""Scores of P4: do conditioned attempts explore less, and does that explain their loss?"""

from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential import attribution, metrics
from workflow_scripts.parallel_sequential.accuracy import MAIN, Arms
from workflow_scripts.parallel_sequential.rows import Rows
from workflow_scripts.shared import seeds, statistics

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
            rows.mean("P4", "transition", share, arm=arm, cell=step)
        values["repeat_rate"] = metrics.repeats(sets)
        rows.mean("P4", "repeat_rate", values["repeat_rate"], arm=arm)
        for metric, value in values.items():
            last.setdefault(metric, []).append(value)
    for metric, (parallel, sequential) in last.items():
        rows.mean("P4", f"{metric}_excess", sequential - parallel, arm="sequential", k=attempts)


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
            rows.mean("P4", "similarity", within, arm=arm, cell=measure)
            rows.mean("P4", "similarity_above", above[arm].to_numpy(float), arm=arm, cell=measure)
        if set(MAIN) <= set(above.columns):
            excess = (above["sequential"] - above["parallel"]).to_numpy(float)
            rows.mean("P4", "similarity_excess", excess, arm="sequential", cell=measure)
        for _, row in own[(own["metric"] == "share") & own["arm"].isin(MAIN)].iterrows():
            where = {"arm": row["arm"], "cell": f"{measure} {row['bin']:.2f}"}
            rows.number("P4", "similarity_share", row["value"], 1, "histograms", **where)


def attribute(rows: Rows, arms: Arms) -> None:
    """The arm's effect on correctness with and without a term for repeats, over questions."""
    x, y = attribution.design(arms["parallel"], arms["sequential"])
    columns = tuple(attribution.moments(x, y).T)
    for which, name in enumerate(attribution.RESULTS):
        key = seeds.derive(rows.seed, "attribution", name)
        found = statistics.bootstrap(columns, attribution.statistic(which), key)
        rows.interval("P4", name, found, arm="sequential")
