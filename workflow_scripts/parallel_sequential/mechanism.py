"""Scores of P6: induction heads and copying, from the table of `copying.py`."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential.rows import SHARE, Rows
from workflow_scripts.shared import intervals, statistics
from workflow_scripts.shared.intervals import Part
from workflow_scripts.shared.statistics import Interval


def copying(rows: Rows, table: pd.DataFrame) -> None:
    """Scores of one model.

    Each head's induction score and weight on the earlier answer; the history's effect on the
    log-probability of the earlier answer (nats), with all heads and without some of them.
    """
    key: Any
    for metric, units in (("induction_score", "sequences"), ("attention_to_earlier", "questions")):
        own = table[table["metric"] == metric]
        for key, values in own.groupby(["layer", "head"]):
            cell = ".".join(map(str, key))
            rows.mean("P6", metric, values["value"], units, SHARE, cell=cell)
    scores = table[table["metric"] == "induction_score"]
    wide = scores.pivot_table(index="unit", columns=["layer", "head"], values="value")
    # The head is picked on half of the sequences and measured on the other half. Otherwise the
    # best of many heads would look better than it is.
    half = np.arange(len(wide)) % 2 == 0
    best: Any = wide[half].mean().idxmax()
    where = ".".join(map(str, best))
    picked = wide.loc[~half, best]
    rows.mean("P6", "strongest_induction_score", picked, "sequences", SHARE, cell=where)
    plain = table[table["metric"].isin(["logprob_with_history", "logprob_without_history"])]
    for key, own in plain.groupby(["metric", "ablated"]):
        rows.interval("P6", key[0], crossed(by_draw(own)), cell=key[1])
    gain = table[table["metric"] == "copying_gain"]
    gains = {str(name): by_draw(own) for name, own in gain.groupby("ablated")}
    for ablated, found in gains.items():
        rows.interval("P6", "copying_gain", crossed(found), cell=ablated)
    if {"none", "induction", "random"} <= set(gains):
        lost = gains["random"] - gains["induction"]
        count = int(gain["draw"].max()) + 1
        few = "one question or one random set of heads has no interval"
        note = f"interval over questions and {count} random sets of heads"
        note = few if min(lost.shape) < 2 else note
        rows.interval("P6", "copying_lost_beyond_random", crossed(lost, sampled=True), note=note)
    _agreement(rows, wide, table)


def by_draw(own: pd.DataFrame) -> NDArray[Any]:
    """Values (questions, draws of heads) from the rows of one metric and kind of ablation."""
    return own.pivot_table(index="unit", columns="draw", values="value").to_numpy(float)


def crossed(values: NDArray[Any], sampled: bool | None = None) -> Interval:
    """Mean of `values`, shape (questions, draws), with an interval over both (`shared.intervals`).

    `sampled` says whether the draws are a sample of more (random heads); by default, if there are
    several. A sample of one draw, or one question, has no interval. `n` counts the questions.
    """
    questions, draws = values.shape
    # Differences of log-probabilities of some nats: less than 1e-12 nats is rounding.
    if np.ptp(values) <= statistics.DUST * max(np.abs(values).max(), 1.0):
        return Interval(float(values.mean()), np.nan, np.nan, questions)
    if draws > 1 if sampled is None else sampled:
        if min(questions, draws) < 2:
            return Interval(float(values.mean()), np.nan, np.nan, questions)
        found = intervals.mean([Part(1.0, values.T)])
    else:
        found = intervals.of_seeds(values.mean(1))
    return found.interval()._replace(n=questions)


def _agreement(rows: Rows, wide: pd.DataFrame, table: pd.DataFrame) -> None:
    """Rank correlation over heads of induction score and weight on the earlier answer."""
    from scipy import stats

    seen = table[table["metric"] == "attention_to_earlier"].groupby(["layer", "head"])["value"]
    joined = pd.concat([wide.mean(), seen.mean()], axis=1).to_numpy(float)
    if len(joined) > 2 and np.ptp(joined, axis=0).all():
        found = float(stats.spearmanr(joined[:, 0], joined[:, 1]).statistic)
        rows.number("P6", "induction_attention_rank_correlation", found, len(joined), "heads")
