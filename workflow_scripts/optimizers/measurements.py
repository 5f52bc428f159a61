"""What each claim reads from the scores: one function per quantity."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared import measurements
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, extreme, select
from workflow_scripts.shared.protocol import Setting
from workflow_scripts.shared.protocol import evidence as protocol_of
from workflow_scripts.shared.scores import Row

Known = Sequence[Setting]

pick = partial(select, seeds="pooled", undefined="drop")

DATA = "MNIST"  # of the paper; MNIST is recognised by checksum
FULLEST = "shampoo"  # the paper's non-diagonal preconditioner
RIVALS = ("sgd", "adamw")
# Largest difference of learned accuracies that leaves a comparison fair: two points.
LEARNED_MARGIN = 0.02
SHARES = ("forgetting", "backward_transfer", "forgetting_at_distance", "earlier_accuracy")


def measured(
    row: pd.Series,
    note: str,
    known: Known | None = None,
    reason: str | None = None,
    condition: str = "",
) -> Measured:
    """The row's number with its evidence and, where data were used, its model.

    `known` are the settings of the paper, its data apart, that are known. Without them the row is
    theory.
    """
    if known is None:
        return measurements.measured(row, Evidence.THEORY, note, reason=reason, condition=condition)
    model = str(row["model"])
    data = Setting("data", model.removeprefix("MLP on "), DATA, source="secondary notes")
    followed = protocol_of(data, *known)
    note = f"{note}; reduced: {followed.reduced}" if followed.reduced else note
    more: Row = {"model": model, "reason": reason, "condition": condition}
    return measurements.measured(row, followed.evidence, note, **more)


def untuned(scores: pd.DataFrame, stream: str, names: Sequence[str]) -> str | None:
    """Why a comparison is not fair, if a tuned rate lies at an end of its range."""
    rows = pick(scores, experiment="tuning", stream=stream, metric="tuned_rate_at_end")
    at_end = [name for name in names if pick(rows, optimizer=name)["value"].any()]
    if not at_end:
        return None
    return f"the tuned rate of {', '.join(at_end)} lies at the end of its range"


def diverged(scores: pd.DataFrame, names: Sequence[str], **place: Any) -> str | None:
    """Why a tuned rate is not one, if runs of the experiment diverge at it."""
    rows = pick(scores, experiment="continual", metric="diverged_runs", rate="tuned", **place)
    found = []
    for name in names:
        for _, row in pick(rows, optimizer=name).iterrows():
            if row["value"]:
                found.append(f"{row['value']:.0f} of {row['n']} runs of {name}")
    return f"{' and '.join(found)} diverged at the tuned rate" if found else None


def unequal(scores: pd.DataFrame, metric: str, place: Row) -> str | None:
    """Why two arms cannot be compared, if they did not learn equally well.

    An arm that learned less has less to forget. At equal distance on the second task, what counts
    is how well the first was learned. A difference of 0 at every seed has no interval and is fair.
    """
    learned = "learned_first" if metric == "forgetting_at_distance" else "learned_accuracy"
    rows = pick(scores, experiment="continual", metric=f"{learned}_difference", **place)
    if rows.empty:
        return "the learned accuracies were not compared"
    low, high = rows.iloc[0][["ci_low", "ci_high"]].astype(float)
    if math.isnan(low) and rows.iloc[0]["value"] == 0 and rows.iloc[0]["n"] > 1:
        return None
    if low >= -LEARNED_MARGIN and high <= LEARNED_MARGIN:
        return None
    value = 100 * float(rows.iloc[0]["value"])
    interval = "" if math.isnan(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return (
        f"learned accuracies differ by {value:.1f}{interval} points; a fair comparison needs an "
        f"interval within ±{100 * LEARNED_MARGIN:.0f}"
    )


def saturated(scores: pd.DataFrame, metric: str, arms: Sequence[Row]) -> str | None:
    """Why a difference of shares is not measured, if both arms are at 0 % or both at 100 %."""
    values = []
    for arm in arms:
        rows = pick(scores, experiment="continual", metric=metric, **arm)
        last = rows["task"].isna() | (rows["task"] == rows["task"].max())
        values += rows[last]["value"].to_list()
    if metric in SHARES and len(values) == len(arms) and set(values) in ({0.0}, {1.0}):
        return f"both arms are at {100 * values[0]:.0f} %: no difference can be measured"
    return None


def theory(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf, **wanted: Any) -> Found:
    """A quantity in closed form or by exact computation, one entry for each row that fits."""
    found = []
    for _at, row in pick(scores, experiment="theory", metric=metric, **wanted).iterrows():
        condition = "" if pd.isna(row["alpha"]) else f"exponent {row['alpha']:g}"
        found.append(measured(row, note, condition=condition))
    return found or NotMeasured("no such computation at this scale")


def orders(note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The median order in the rate of the gap between the two forms, for each exponent."""
    found = []
    for _at, row in pick(scores, experiment="theory", metric="path_gap_order").iterrows():
        flips = pick(scores, experiment="theory", metric="sign_flip_runs", alpha=row["alpha"])
        out = f"{flips['value'].iloc[0]:.0f} of {flips['n'].iloc[0]} runs with a sign flip left out"
        condition = f"exponent {row['alpha']:g}"
        found.append(measured(row, f"{note}; {out}", condition=condition))
    return found or NotMeasured("a weight changed its sign in every run")


def worst(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The largest error over all exponents."""
    rows = pick(scores, experiment="theory", metric=metric)
    return [measured(extreme(rows, "largest"), note)]


def beyond_batches(
    experiment: str, metric: str, known: Known, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """What a change of optimiser adds to a change of batches, at one loss from one start."""
    rows = pick(scores, experiment=experiment, metric=f"{metric}_beyond_batches")
    if rows.empty:
        return NotMeasured("too few runs reached the common training loss")
    return [measured(rows.iloc[0], "mean over pairs of optimisers", known)]


def difference(
    metric: str,
    stream: str,
    protocol: str,
    rivals: Sequence[str],
    known: Known,
    scores: pd.DataFrame,
    _: EvidenceOf,
    layer: str | None = None,
    optimizer: str = FULLEST,
    state: str = "kept",
) -> Found:
    """One optimiser minus each rival, paired by seed, after the last task.

    The reason for no decision is the first that holds: a tuned rate at the end of its range, runs
    that diverged at a tuned rate, unequal learning, or both arms at a bound.
    """
    at: Row = {"stream": stream, "protocol": protocol, "state": state}
    place: Row = {**at, "optimizer": optimizer}
    rows = pick(scores, experiment="continual", metric=f"{metric}_difference", layer=layer, **place)
    found = []
    for rival in rivals:
        name, _fixed, rate = rival.partition(" ")  # "adam 0.001" is not tuned
        tuned = [optimizer] if rate else [optimizer, name]
        own, other = {**place, "rate": "tuned"}, {**at, "optimizer": name, "rate": rate or "tuned"}
        for _at, row in pick(rows, other=rival).iterrows():
            reason = (
                untuned(scores, stream, tuned)
                or diverged(scores, tuned, **at)
                or saturated(scores, metric, [own, other])
                or unequal(scores, metric, {**place, "other": rival})
            )
            note = f"{optimizer} minus {rival}"
            found.append(measured(row, note, known, reason, f"against {rival}"))
    return found or NotMeasured(f"{optimizer} and its rivals have no run in common in this run")


def classes(
    metric: str,
    name: str,
    rates: Sequence[str],
    known: Known,
    scores: pd.DataFrame,
    _: EvidenceOf,
    **place: Any,
) -> Found:
    """An accuracy at the end of the class-incremental stream, for each rate."""
    at: Row = {"stream": "classes", "protocol": "steps", "state": "kept"}
    rows = pick(scores, experiment="continual", optimizer=name, metric=metric, **at, **place)
    found = []
    for rate in rates:
        last = pick(rows, rate=rate)
        for _at, row in last[last["task"] == last["task"].max()].iterrows():
            reason = None
            if rate == "tuned":
                reason = untuned(scores, "classes", [name]) or diverged(scores, [name], **at)
            found.append(measured(row, name, known, reason, f"rate {rate}"))
    return found or NotMeasured(f"{name} is not run at {', '.join(rates)}, or all runs diverged")


def pruned_gain(
    alpha: float, kept: float, known: Known, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Accuracy that the preconditioned form keeps beyond plain SGD, at the level nearest `kept`."""
    rows = pick(
        scores,
        experiment="sparsity",
        metric="pruned_accuracy_gain",
        form="preconditioned",
        alpha=alpha,
    )
    if rows.empty:
        return NotMeasured(f"exponent {alpha:g} is not run")
    row = rows.iloc[int((rows["kept"] - kept).abs().to_numpy().argmin())]
    note = f"{100 * row['kept']:.0f} % of the weights kept, exponent {alpha:g}"
    return [measured(row, note, known)]
