"""What the claims read from the scores: one function measures one quantity.

`runs` is what the run followed of the paper's protocol, by experiment (`claims.protocols`).
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    each,
    exact,
    extreme,
    measured,
    one,
    select,
)
from workflow_scripts.shared.protocol import Protocol
from workflow_scripts.softmax.scores import IN_DISTRIBUTION

pick = partial(select, seeds="pooled", undefined="drop")

HEADS: dict[str, Any] = {"experiment": "E1", "normaliser": "softmax", "inference": "trained"}
# Accuracy at 16 items below which a head has not learned the task, and its attention shows nothing.
LEARNED = 0.9
CLOSE = 0.01  # one point: as close to the paper's accuracy as sampling may bring a head

Accuracies = dict[int, tuple[float, float]]  # items -> baseline and adaptive, %
Runs = Mapping[str, Protocol]  # experiment -> evidence, and what was reduced


def scale(runs: Runs, scores: pd.DataFrame, experiment: str = "E1") -> str:
    """How many heads were trained and for how long, and what was reduced, for a note."""
    steps = one(scores, experiment=experiment, metric="training_steps")
    heads = pick(scores, experiment=experiment, metric="accuracy", inference="trained")["n"].max()
    text = f"{heads} heads, {int(steps['value'])} steps"
    reduced = runs[experiment].reduced
    return f"{text}; reduced: {reduced}" if reduced else text


def not_learned(
    scores: pd.DataFrame,
    least: float,
    expected: str,
    experiment: str = "E1",
    within: float = 0.0,
    **heads: Any,
) -> str | None:
    """Why heads cannot decide a claim: their accuracy at 16 items is below `least`.

    It may be lower by `within` if its interval includes `least`. The interval alone is not enough:
    that of two untrained heads includes every accuracy.
    """
    place = {"normaliser": "softmax", "inference": "trained"} | heads
    rows = pick(scores, experiment=experiment, metric="accuracy", items=IN_DISTRIBUTION, **place)
    if rows.empty:
        return f"softmax.sizes does not contain {IN_DISTRIBUTION}; add it"
    row = rows.iloc[0]
    if row["value"] >= least - within and max(row["value"], row["ci_high"]) >= least:
        return None
    return (
        f"our {place['normaliser']} heads reach {100 * row['value']:.1f} % at {IN_DISTRIBUTION} "
        f"items, expected {expected}; train for longer, as the paper preset does"
    )


def less_trained(
    table: Accuracies, scores: pd.DataFrame, experiment: str = "E1", normaliser: str = "softmax"
) -> str | None:
    """Why heads cannot represent the paper's, if they are less accurate at 16 items."""
    paper = table[IN_DISTRIBUTION][0]
    expected = f"the paper's {paper} %"
    close: dict[str, Any] = {"experiment": experiment, "within": CLOSE, "normaliser": normaliser}
    return not_learned(scores, paper / 100, expected, **close)


def untrained(scores: pd.DataFrame) -> str | None:
    """Why E1's heads show nothing, if they have not learned the task."""
    return not_learned(scores, LEARNED, f"{100 * LEARNED:.0f} %")


def trained_slope(runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Log-log slope of the largest weight against items, trained heads."""
    worst = pick(scores, experiment="E1", metric="bound_violations", inference="trained")
    note = (
        f"log-log slope of the largest weight against items; {scale(runs, scores)}; "
        f"bound of S1 violated on {100 * worst['value'].max():g} % of sets"
    )
    rows = pick(scores, metric="max_weight_slope", **HEADS)
    if rows.empty:
        return NotMeasured("softmax.sizes has one size only; a slope needs two")
    return [measured(rows.iloc[0], runs["E1"].evidence, note)]


def trained_spread(runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Trained heads whose logit spread exceeds its bound, a count over all inputs of a grid."""
    row = one(scores, experiment="E1", metric="spread_bound_violations", normaliser="softmax")
    ratio = pick(scores, experiment="E1", metric="domain_spread_to_bound")["value"].max()
    note = f"mean spread / bound over all inputs {ratio:.2f}; {scale(runs, scores)}"
    return [measured(row, runs["E1"].evidence, note)]


def sharpness_lost(runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Weight on the largest item at 16 items minus that at the largest size, over heads."""
    rows = pick(scores, metric="largest_item_weight_lost", **HEADS)
    if rows.empty:
        return NotMeasured(f"softmax.sizes lacks {IN_DISTRIBUTION}, or a larger size; add it")
    row = rows.iloc[0]
    weights = pick(scores, metric="largest_item_weight", **HEADS).set_index("items")["value"]
    far = int(row["items"])
    note = (
        f"{weights[IN_DISTRIBUTION]:.2f} at {IN_DISTRIBUTION} items minus {weights[far]:.4f} at "
        f"{far}; {scale(runs, scores)}"
    )
    return [measured(row, runs["E1"].evidence, note, reason=untrained(scores))]


def percent(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with value and interval in percent (or percentage points)."""
    return rows.assign(**{name: 100 * rows[name] for name in ("value", "ci_low", "ci_high")})


def gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Gain of the published polynomial at each size, in points, ascending by size."""
    rows = pick(scores, experiment="E1", metric="accuracy_gain_over_trained", inference="published")
    return percent(rows).sort_values("items")


def helps_everywhere(table: Accuracies, runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The smallest gain over all larger sizes, its interval over all of them."""
    rows = gains(scores)
    rows = rows[rows["items"] > IN_DISTRIBUTION]
    if rows.empty:
        return NotMeasured(f"softmax.sizes has no size above {IN_DISTRIBUTION}; add one")
    worst = extreme(rows, "least")
    note = f"smallest gain in points, at {int(worst['items'])} items; {scale(runs, scores)}"
    return [measured(worst, runs["E1"].evidence, note, reason=less_trained(table, scores))]


def gain_at(
    items: int, table: Accuracies, runs: Runs, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Gain in points at one size, and how the entropy there compares with the window."""
    rows = gains(scores)
    here = rows[rows["items"] == items]
    if here.empty:
        return NotMeasured(f"softmax.sizes does not contain {items}; add it")
    entropy = one(scores, metric="entropy_nats", items=items, **HEADS)["value"]
    end = one(scores, experiment="S5", metric="window_high_nats")["value"]
    note = (
        f"gain in points at {items} items; mean entropy {entropy:.2f} nats, the polynomial "
        f"sharpens up to {end:.2f}; {scale(runs, scores)}"
    )
    reason = less_trained(table, scores)
    return [measured(here.iloc[0], runs["E1"].evidence, note, reason=reason)]


def past_window(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Rows of random logits past the window whose temperature is not 1."""
    row = one(scores, experiment="S5", metric="changed_past_window", model="theory")
    if pd.isna(row["value"]):
        return NotMeasured("no case is past the window; add larger sets to softmax.theory.sizes")
    return exact("S5", "changed_past_window", "random bounded logits", scores, evidence)


def refit(table: Accuracies, runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Variance of a head's best inverse temperature that the other heads' quartic explains."""
    rows = pick(scores, experiment="E3", metric="held_out_explained_variance")
    if rows.empty:
        return NotMeasured("too few heads or sizes to fit the polynomial without one head")
    found = []
    for at in rows.index:
        row = rows.loc[at]
        best = str(row["inference"]).removeprefix("refit_").replace("_", "-")
        note = (
            f"best by {best}; 1 - residual / variance, each head predicted from the others; "
            f"{scale(runs, scores)}"
        )
        reason = less_trained(table, scores)
        found.append(measured(row, runs["E1"].evidence, note, reason=reason, condition=best))
    return found


def model_spread(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Mean logit spread of each language model."""
    rows = pick(scores, experiment="E5", metric="logit_spread_mean")
    note = "mean max - min logit over heads and rows, interval over heads"
    return each(rows, evidence, note, "no model under studies.softmax")


def streaming_error(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest difference of the blockwise from the direct form over all sizes."""
    errors = pick(scores, experiment="S10", metric="streaming_error").sort_values("items")
    guard = pick(scores, experiment="S10", metric="log_guard_error").sort_values("items").iloc[-1]
    items = int(guard["items"])
    worst = errors.sort_values("value").iloc[-1].copy()
    worst["n"] = errors["n"].sum()
    note = (
        f"two passes over up to {items:,} keys, {int(worst['n'])} cases, without the guard of the "
        f"paper's listing; the guard of 1e-9 changes the output by up to {guard['value']:.1e} at "
        f"{items:,} keys"
    )
    return [measured(worst, Evidence.THEORY, note)]


def still_disperses(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Log-log slope of the largest weight with the inverse temperature at its maximum."""
    row = one(scores, experiment="S10", metric="max_weight_slope")
    bound = one(scores, experiment="S10", metric="adaptive_bound_violations")
    beta = one(scores, experiment="S5", metric="peak_beta")["value"]
    note = (
        f"uniform logits at inverse temperature {beta:.2f}, the maximum of the polynomial; "
        f"{int(row['n'])} cases; with the adaptive one, {int(bound['value'])} of {int(bound['n'])} "
        "sharpened rows exceed exp(maximum x spread)/n"
    )
    return [measured(row, Evidence.THEORY, note)]


def way_out(table: Accuracies, runs: Runs, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Accuracy gain over softmax of each normaliser, at the size nearest to 1,024 items."""
    rows = pick(scores, experiment="E7", metric="accuracy_gain_over_softmax")
    if rows.empty:
        return NotMeasured("softmax.comparison.normalisers contains softmax only; add another")
    items = min(rows["items"].dropna().unique(), key=lambda size: abs(size - 1024))
    found = []
    here = rows[rows["items"] == items]
    for at in here.index:
        row = here.loc[at]
        name = str(row["normaliser"])
        pair = (less_trained(table, scores, "E7", heads) for heads in ("softmax", name))
        note = f"accuracy gain over softmax at {int(items)} items; {scale(runs, scores, 'E7')}"
        reason = next((text for text in pair if text), None)
        found.append(measured(row, runs["E7"].evidence, note, reason=reason, condition=name))
    return found


def published_accuracy(path: str | Path) -> Accuracies:
    """The known rows of table 1, from their CSV file."""
    rows = pd.read_csv(path).set_index("n_items")
    rows = rows[["baseline_acc_pct", "adaptive_theta_acc_pct"]].dropna()
    return {int(n): (float(base), float(more)) for n, base, more in rows.itertuples()}


def published_gain(table: Accuracies, items: int) -> float:
    """Published gain in points, rounded to the decimal of the two accuracies."""
    baseline, adaptive = table[items]
    return round(adaptive - baseline, 1)
