"""P4: do conditioned attempts explore less, and does that go with their loss?"""

from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential import attribution, measures
from workflow_scripts.parallel_sequential.measures import Sets
from workflow_scripts.parallel_sequential.scoring import Rows
from workflow_scripts.shared import seeds, statistics

MAIN = ("parallel", "sequential")


def variety(rows: Rows, arms: dict[str, Sets], attempts: int) -> None:
    """Different answers, their entropy, repeats and steps between right and wrong."""
    both: dict[str, list[Any]] = {}
    for arm in MAIN:
        sets = arms[arm]
        for k in range(1, attempts + 1):
            rows.mean("P4", "unique", measures.unique(sets, k), arm=arm, k=k)
            rows.mean("P4", "entropy_nats", measures.entropy_nats(sets, k), arm=arm, k=k)
        for step, share in measures.transitions(sets).items():
            rows.mean("P4", "transition", share, arm=arm, cell=step)
        rows.mean("P4", "repeat_rate", measures.repeats(sets), arm=arm)
        for metric, value in (
            ("unique", measures.unique(sets, attempts)),
            ("entropy_nats", measures.entropy_nats(sets, attempts)),
            ("repeat_rate", measures.repeats(sets)),
        ):
            both.setdefault(metric, []).append(value)
    for metric, (parallel, sequential) in both.items():
        rows.mean("P4", f"{metric}_excess", sequential - parallel, arm="sequential", k=attempts)


def likeness(rows: Rows, table: pd.DataFrame) -> None:
    """Similarity of solutions to one question above that of solutions to different questions.

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
            cell = f"{measure} {row['bin']:.2f}"
            rows.exact("P4", "similarity_share", row["value"], 1, arm=row["arm"], cell=cell)


def attribute(rows: Rows, arms: dict[str, Sets]) -> None:
    """The arm's effect on correctness with and without a term for repeats, over questions."""
    x, y = attribution.design(arms["parallel"], arms["sequential"])
    columns = tuple(attribution.moments(x, y).T)
    for which, name in enumerate(attribution.RESULTS):
        key = seeds.derive(rows.seed, "attribution", name)
        found = statistics.bootstrap(columns, attribution.statistic(which), key)
        rows.add("P4", name, found, arm="sequential")
