"""P6: from the white-box table to scores."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.parallel_sequential.scoring import Rows


def copying(rows: Rows, table: pd.DataFrame) -> None:
    """Scores of one model: each head's induction score and attention to the earlier answer, what
    the history does to the earlier answer's log-probability, and what is left without heads."""
    key: Any
    for metric in ("induction_score", "attention_to_earlier"):
        own = table[table["metric"] == metric]
        for key, values in own.groupby(["layer", "head"]):
            cell = ".".join(map(str, key))
            rows.mean("P6", metric, values["value"].to_numpy(float), cell=cell)
    scores = table[table["metric"] == "induction_score"]
    wide = scores.pivot_table(index="unit", columns=["layer", "head"], values="value")
    # The head is picked on half of the sequences and measured on the other: the best of many heads
    # would else look better than it is.
    half = np.arange(len(wide)) % 2 == 0
    best: Any = wide[half].mean().idxmax()
    held_out = wide.loc[~half, best].to_numpy(float)
    rows.mean("P6", "strongest_induction_score", held_out, cell=".".join(map(str, best)))
    plain = table[table["metric"].isin(["logprob_with_history", "logprob_without_history"])]
    for key, values in plain.groupby(["metric", "ablated"]):
        by_question = values.groupby("unit")["value"].mean().to_numpy(float)
        rows.mean("P6", key[0], by_question, cell=key[1])
    gain = table[table["metric"] == "copying_gain"]
    means = gain.pivot_table(index="unit", columns="ablated", values="value", aggfunc="mean")
    for ablated in means.columns:
        rows.mean("P6", "copying_gain", means[ablated].to_numpy(float), cell=ablated)
    if {"none", "induction", "random"} <= set(means.columns):
        drop = means["random"] - means["induction"]
        rows.mean("P6", "copying_lost_beyond_random", drop.to_numpy(float))
    _agreement(rows, wide, table)


def _agreement(rows: Rows, wide: pd.DataFrame, table: pd.DataFrame) -> None:
    """Rank correlation over heads of induction score and attention to the earlier answer."""
    from scipy import stats

    seen = table[table["metric"] == "attention_to_earlier"].groupby(["layer", "head"])["value"]
    joined = pd.concat([wide.mean(), seen.mean()], axis=1).to_numpy(float)
    if len(joined) > 2 and np.ptp(joined, axis=0).all():
        found = float(stats.spearmanr(joined[:, 0], joined[:, 1]).statistic)
        rows.exact("P6", "induction_attention_rank_correlation", found, len(joined))
