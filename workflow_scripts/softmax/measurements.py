"""What the claims read from the scores: one function measures one quantity."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    each,
    extreme,
    measured,
    one,
    select,
)

pick = partial(select, seeds="pooled", undefined="drop")

IN_DISTRIBUTION = 16  # items, the largest set in training
HEADS: dict[str, Any] = {"experiment": "E1", "normaliser": "softmax", "inference": "trained"}

Accuracies = dict[int, tuple[float, float]]  # items -> baseline and adaptive, %


def scale(scores: pd.DataFrame, experiment: str = "E1") -> str:
    """How many heads were trained and for how long, for a note."""
    steps = one(scores, experiment=experiment, metric="training_steps")
    heads = pick(scores, experiment=experiment, metric="accuracy", inference="trained")["n"].max()
    return f"{heads} heads, {int(steps['value'])} steps"


def less_trained(table: Accuracies, scores: pd.DataFrame) -> str | None:
    """Why E1's heads cannot represent the paper's, if they are less accurate at 16 items."""
    ours = one(scores, metric="accuracy", items=IN_DISTRIBUTION, **HEADS)
    paper = table[IN_DISTRIBUTION][0]
    if 100 * ours["ci_high"] >= paper:
        return None
    return (
        f"our heads reach {100 * ours['value']:.1f} % at {IN_DISTRIBUTION} items, the paper's "
        f"{paper} %; train for longer, as the paper preset does"
    )


def trained_slope(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Log-log slope of the largest weight against items, trained heads."""
    worst = pick(scores, experiment="E1", metric="bound_violations", inference="trained")
    note = (
        f"log-log slope of the largest weight against items; {scale(scores)}; "
        f"bound of S1 violated on {100 * worst['value'].max():g} % of sets"
    )
    row = one(scores, metric="max_weight_slope", **HEADS)
    return [measured(row, Evidence.PROTOCOL, note)]


def trained_spread(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest logit spread of trained heads relative to its bound."""
    rows = pick(scores, experiment="E1", metric="domain_spread_to_bound")
    row = rows.sort_values("value").iloc[-1]
    return [measured(row, Evidence.PROTOCOL, f"spread / bound over all inputs; {scale(scores)}")]


def sharpness_lost(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Weight on the largest item at 16 items minus that at the largest size, over heads."""
    rows = pick(scores, metric="largest_item_weight", **HEADS).sort_values("items")
    near, far = rows.iloc[0], rows.iloc[-1]
    note = (
        f"{near['value']:.2f} at {int(near['items'])} items minus {far['value']:.4f} at "
        f"{int(far['items'])}, interval from both ends; {scale(scores)}"
    )
    value = near["value"] - far["value"]
    low, high = near["ci_low"] - far["ci_high"], near["ci_high"] - far["ci_low"]
    return [Measured(value, low, high, int(near["n"]), Evidence.PROTOCOL, note)]


def percent(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with value and interval in percent (or percentage points)."""
    return rows.assign(**{name: 100 * rows[name] for name in ("value", "ci_low", "ci_high")})


def gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Gain of the published polynomial at each size, in points, ascending by size."""
    rows = pick(scores, experiment="E1", metric="accuracy_gain_over_trained", inference="published")
    return percent(rows).sort_values("items")


def helps_everywhere(table: Accuracies, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The smallest gain over all larger sizes, its interval over all of them."""
    rows = gains(scores)
    worst = extreme(rows[rows["items"] > IN_DISTRIBUTION], "least")
    note = f"smallest gain in points, at {int(worst['items'])} items; {scale(scores)}"
    return [measured(worst, Evidence.PROTOCOL, note, reason=less_trained(table, scores))]


def gain_at(items: int, table: Accuracies, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Gain in points at one size."""
    rows = gains(scores)
    here = rows[rows["items"] == items]
    if here.empty:
        return NotMeasured(f"softmax.sizes does not contain {items}; add it")
    note = f"gain in points at {items} items; {scale(scores)}"
    reason = less_trained(table, scores)
    return [measured(here.iloc[0], Evidence.PROTOCOL, note, reason=reason)]


def beyond_window(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Gain at the largest size, where the entropy is past the window of the polynomial."""
    row = gains(scores).iloc[-1]
    entropy = one(scores, metric="entropy_nats", items=row["items"], **HEADS)
    end = one(scores, experiment="S5", metric="window_high_nats")["value"]
    note = f"gain in points at {int(row['items'])} items, mean entropy {entropy['value']:.2f} nats"
    within = f"heads stay within the window (up to {end:.2f} nats) at every measured size"
    reason = within if entropy["ci_low"] <= end else None
    return [measured(row, Evidence.PROTOCOL, f"{note}; {scale(scores)}", reason=reason)]


def refit(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of the variance of the best inverse temperature that a quartic explains."""
    reason = "how the paper chose the best temperature is not known"
    return [
        measured(
            row,
            Evidence.PROTOCOL,
            f"best by {str(row['inference']).removeprefix('refit_').replace('_', '-')}; "
            f"{row['n']} points; {scale(scores)}",
            reason=reason,
        )
        for _, row in pick(scores, experiment="E3", metric="explained_variance").iterrows()
    ]


def model_spread(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Mean logit spread of each language model."""
    rows = pick(scores, experiment="E5", metric="logit_spread_mean")
    note = "mean max - min logit over heads and rows, interval over heads"
    return each(rows, evidence, note, "no model under studies.softmax")


def way_out(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Accuracy gain over softmax of each normaliser, at the size nearest to 1,024 items."""
    rows = pick(scores, experiment="E7", metric="accuracy_gain_over_softmax")
    if rows.empty:
        return NotMeasured("softmax.comparison.normalisers contains softmax only; add another")
    items = min(rows["items"].dropna().unique(), key=lambda size: abs(size - 1024))
    return [
        measured(
            row,
            Evidence.PROTOCOL,
            f"{row['normaliser']}: accuracy gain over softmax at {int(items)} items; "
            f"{scale(scores, 'E7')}",
        )
        for _, row in rows[rows["items"] == items].iterrows()
    ]


def published_accuracy(path: str | Path) -> Accuracies:
    """The known rows of table 1, from their CSV file."""
    rows = pd.read_csv(path).set_index("n_items")
    rows = rows[["baseline_acc_pct", "adaptive_theta_acc_pct"]].dropna()
    return {int(n): (float(base), float(more)) for n, base, more in rows.itertuples()}


def published_gain(table: Accuracies, items: int) -> float:
    """Published gain in points, rounded to the decimal of the two accuracies."""
    baseline, adaptive = table[items]
    return round(adaptive - baseline, 1)
