"""What the scores say about each claim: one function measures one quantity."""

from pathlib import Path

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, one, select

IN_DISTRIBUTION = 16  # items, the largest set in training

Accuracies = dict[int, tuple[float, float]]  # items -> baseline and adaptive, %


def scale(scores: pd.DataFrame, experiment: str = "E1") -> str:
    steps = one(scores, experiment=experiment, metric="training_steps")
    heads = select(scores, experiment=experiment, metric="accuracy", inference="trained")["n"].max()
    return f"{heads} heads, {int(steps['value'])} steps"


def accuracy(scores: pd.DataFrame, items: int, way: str = "trained") -> pd.Series:
    return one(
        scores,
        experiment="E1",
        metric="accuracy",
        normaliser="softmax",
        inference=way,
        items=items,
    )


def less_trained(table: Accuracies, scores: pd.DataFrame) -> str | None:
    """Why E1's heads cannot stand for the paper's, where they are less accurate at 16 items."""
    ours = accuracy(scores, IN_DISTRIBUTION)
    paper = table[IN_DISTRIBUTION][0]
    if 100 * ours["ci_high"] >= paper:
        return None
    return (
        f"our heads reach {100 * ours['value']:.1f} % at {IN_DISTRIBUTION} items, the paper's "
        f"{paper} %: trained for less; the paper preset trains for longer"
    )


def trained_slope(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    row = one(
        scores,
        experiment="E1",
        metric="max_weight_slope",
        normaliser="softmax",
        inference="trained",
    )
    worst = select(scores, experiment="E1", metric="bound_violations", inference="trained")
    note = (
        f"log-log slope of the largest weight against items; {scale(scores)}; "
        f"bound of S1 broken on {100 * worst['value'].max():g} % of sets"
    )
    return [measured(row, Evidence.PROTOCOL, note)]


def trained_spread(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    rows = select(scores, experiment="E1", metric="domain_spread_to_bound")
    row = rows.sort_values("value").iloc[-1]
    return [measured(row, Evidence.PROTOCOL, f"spread / bound over all inputs; {scale(scores)}")]


def sharpness_lost(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Weight on the largest item at 16 items less that at the largest size, over heads."""
    rows = select(
        scores,
        experiment="E1",
        metric="largest_item_weight",
        normaliser="softmax",
        inference="trained",
    ).sort_values("items")
    near, far = rows.iloc[0], rows.iloc[-1]
    note = (
        f"{near['value']:.2f} at {int(near['items'])} items less {far['value']:.4f} at "
        f"{int(far['items'])}, interval from both ends; {scale(scores)}"
    )
    value = near["value"] - far["value"]
    low, high = near["ci_low"] - far["ci_high"], near["ci_high"] - far["ci_low"]
    return [Measured(value, low, high, int(near["n"]), Evidence.PROTOCOL, note)]


def gains(scores: pd.DataFrame) -> pd.DataFrame:
    """Gain of the published polynomial at each size, in points, ascending by size."""
    rows = select(
        scores, experiment="E1", metric="accuracy_gain_over_trained", inference="published"
    ).sort_values("items")
    for column in ("value", "ci_low", "ci_high"):
        rows[column] = rows[column] * 100
    return rows


def helps_everywhere(table: Accuracies, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The least gain over all larger sizes.

    It is positive everywhere only if each size's interval is above 0, and not so as soon as one
    is below: so the interval runs from the least lower end to the least upper end.
    """
    rows = gains(scores)
    rows = rows[rows["items"] > IN_DISTRIBUTION]
    worst = rows.sort_values("value").iloc[0]
    note = f"least gain in points, at {int(worst['items'])} items; {scale(scores)}"
    return [
        Measured(
            worst["value"],
            rows["ci_low"].min(),
            rows["ci_high"].min(),
            int(worst["n"]),
            Evidence.PROTOCOL,
            note,
            reason=less_trained(table, scores),
        )
    ]


def gain_at(items: int, table: Accuracies, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    rows = gains(scores)
    here = rows[rows["items"] == items]
    if here.empty:
        return NotMeasured(f"softmax.sizes lacks {items}")
    reason = less_trained(table, scores)
    note = f"gain in points at {items} items; {scale(scores)}"
    return [measured(here.iloc[0], Evidence.PROTOCOL, note, reason=reason)]


def beyond_window(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Gain at the largest size, where the entropy is past the window of the polynomial."""
    row = gains(scores).iloc[-1]
    entropy = one(
        scores,
        experiment="E1",
        metric="entropy_nats",
        normaliser="softmax",
        inference="trained",
        items=row["items"],
    )
    end = one(scores, experiment="S5", metric="window_high_nats")["value"]
    note = f"gain in points at {int(row['items'])} items, mean entropy {entropy['value']:.2f} nats"
    if entropy["ci_low"] <= end:
        reason = f"heads stay within the window (up to {end:.2f} nats) at every size that ran"
        return [measured(row, Evidence.PROTOCOL, note, reason=reason)]
    return [measured(row, Evidence.PROTOCOL, f"{note}; {scale(scores)}")]


def refit(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """How much of the best inverse temperature a quartic of the entropy explains."""
    reason = "how the paper picked the best temperature is not known"
    return [
        measured(
            row,
            Evidence.PROTOCOL,
            f"best by {str(row['inference']).removeprefix('refit_').replace('_', '-')}; "
            f"{row['n']} points; {scale(scores)}",
            reason=reason,
        )
        for _, row in select(scores, experiment="E3", metric="explained_variance").iterrows()
    ]


def model_spread(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    rows = select(scores, experiment="E5", metric="logit_spread_mean")
    found = []
    for _, row in rows.iterrows():
        model = str(row["model"])
        note = "mean max - min logit over heads and rows, interval over heads"
        found.append(measured(row, evidence(model), note, model=model))
    return found


def way_out(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Accuracy over softmax at 1,024 items or the size nearest to it, for each normaliser."""
    rows = select(scores, experiment="E7", metric="accuracy_gain_over_softmax")
    if rows.empty:
        return NotMeasured("softmax.comparison.normalisers holds softmax only")
    sizes = rows["items"].dropna().unique()
    items = min(sizes, key=lambda size: abs(size - 1024))
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
    """The rows of table 1 that are known."""
    rows = pd.read_csv(path).dropna(subset=["baseline_acc_pct", "adaptive_theta_acc_pct"])
    columns = (rows[name] for name in ("n_items", "baseline_acc_pct", "adaptive_theta_acc_pct"))
    return {
        int(n): (float(base), float(adaptive)) for n, base, adaptive in zip(*columns, strict=True)
    }


def published_gain(table: Accuracies, items: int) -> float:
    """In points, to the decimal that the two accuracies carry."""
    baseline, adaptive = table[items]
    return round(adaptive - baseline, 1)
