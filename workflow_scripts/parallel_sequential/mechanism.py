"""Scores of P6: induction heads and copying, from the table of `copying.py`."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential.rows import Rows


def copying(rows: Rows, table: pd.DataFrame) -> None:
    """Scores of one model.

    Each head's induction score and weight on the earlier answer; the history's effect on the
    log-probability of the earlier answer (nats), with all heads and without some of them.
    """
    key: Any
    for metric, units in (("induction_score", "sequences"), ("attention_to_earlier", "questions")):
        own = table[table["metric"] == metric]
        for key, values in own.groupby(["layer", "head"]):
            rows.mean("P6", metric, values["value"], units, cell=".".join(map(str, key)))
    scores = table[table["metric"] == "induction_score"]
    wide = scores.pivot_table(index="unit", columns=["layer", "head"], values="value")
    # The head is picked on half of the sequences and measured on the other half. Otherwise the
    # best of many heads would look better than it is.
    half = np.arange(len(wide)) % 2 == 0
    best: Any = wide[half].mean().idxmax()
    where = ".".join(map(str, best))
    rows.mean("P6", "strongest_induction_score", wide.loc[~half, best], "sequences", cell=where)
    plain = table[table["metric"].isin(["logprob_with_history", "logprob_without_history"])]
    for key, values in plain.groupby(["metric", "ablated"]):
        rows.mean("P6", key[0], values.groupby("unit")["value"].mean(), cell=key[1])
    gain = table[table["metric"] == "copying_gain"]
    means = gain.pivot_table(index="unit", columns="ablated", values="value", aggfunc="mean")
    for ablated in means.columns:
        rows.mean("P6", "copying_gain", means[ablated], cell=ablated)
    if {"none", "induction", "random"} <= set(means.columns):
        rows.mean("P6", "copying_lost_beyond_random", means["random"] - means["induction"])
    _agreement(rows, wide, table)


def _agreement(rows: Rows, wide: pd.DataFrame, table: pd.DataFrame) -> None:
    """Rank correlation over heads of induction score and weight on the earlier answer."""
    from scipy import stats

    seen = table[table["metric"] == "attention_to_earlier"].groupby(["layer", "head"])["value"]
    joined = pd.concat([wide.mean(), seen.mean()], axis=1).to_numpy(float)
    if len(joined) > 2 and np.ptp(joined, axis=0).all():
        found = float(stats.spearmanr(joined[:, 0], joined[:, 1]).statistic)
        rows.number("P6", "induction_attention_rank_correlation", found, len(joined), "heads")
