"""What each claim reads from the scores: one function per quantity."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared import measurements
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, extreme, one, select

pick = partial(select, seeds="pooled", undefined="drop")

STAND_IN_DATA = "MLP on digits"
FULLEST = "shampoo"  # the paper's non-diagonal preconditioner
RIVALS = ("sgd", "adamw")


def kind(row: pd.Series) -> Evidence:
    """The evidence of a row: digits stand in for MNIST, MNIST-style files follow the protocol."""
    if row["model"] == "theory":
        return Evidence.THEORY
    return Evidence.STAND_IN if row["model"] == STAND_IN_DATA else Evidence.PROTOCOL


def measured(row: pd.Series, note: str, reason: str | None = None) -> Measured:
    """The row's number with its evidence and, where data were used, its model."""
    model = None if row["model"] == "theory" else str(row["model"])
    return measurements.measured(row, kind(row), note, model=model, reason=reason)


def untuned(scores: pd.DataFrame, stream: str, names: Sequence[str]) -> str | None:
    """Why a comparison is not fair, if a tuned rate lies at an end of its range."""
    place = {"experiment": "tuning", "stream": stream, "metric": "tuned_rate_at_end"}
    at_end = [name for name in names if one(scores, optimizer=name, **place)["value"]]
    if not at_end:
        return None
    return f"the tuned rate of {', '.join(at_end)} lies at the end of its range"


def theory(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf, **wanted: Any) -> Found:
    """A quantity in closed form or by exact computation, one entry for each row that fits."""
    found = []
    for _at, row in pick(scores, experiment="theory", metric=metric, **wanted).iterrows():
        exponent = "" if pd.isna(row["alpha"]) else f"; exponent {row['alpha']:g}"
        found.append(measured(row, f"{note}{exponent}"))
    return found or NotMeasured("no such computation at this scale")


def worst(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The largest error over all exponents."""
    rows = pick(scores, experiment="theory", metric=metric)
    return [measured(extreme(rows, "largest"), note)]


def beyond_batches(experiment: str, metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """What a change of optimiser adds to a change of batches, at one loss from one start."""
    rows = pick(scores, experiment=experiment, metric=f"{metric}_beyond_batches")
    if rows.empty:
        return NotMeasured("too few runs reached the common training loss")
    return [measured(rows.iloc[0], "mean over pairs of optimisers")]


def difference(
    metric: str,
    stream: str,
    protocol: str,
    rivals: Sequence[str],
    scores: pd.DataFrame,
    _: EvidenceOf,
    layer: str | None = None,
) -> Found:
    """Shampoo minus each rival, paired by seed, after the last task."""
    rows = pick(
        scores,
        experiment="continual",
        metric=f"{metric}_difference",
        optimizer=FULLEST,
        stream=stream,
        protocol=protocol,
        state="kept",
        layer=layer,
    )
    found = []
    for rival in rivals:
        for _at, row in pick(rows, other=rival).iterrows():
            tuned = [FULLEST] if " " in rival else [FULLEST, rival]  # "adam 0.001" is not tuned
            found.append(measured(row, f"Shampoo minus {rival}", untuned(scores, stream, tuned)))
    return found or NotMeasured("Shampoo or its rivals are not among the optimisers of this run")


def classes(
    metric: str, name: str, rates: Sequence[str], scores: pd.DataFrame, _: EvidenceOf, **place: Any
) -> Found:
    """An accuracy at the end of the class-incremental stream, for each rate."""
    rows = pick(
        scores,
        experiment="continual",
        stream="classes",
        protocol="steps",
        state="kept",
        optimizer=name,
        metric=metric,
        **place,
    )
    found = []
    for rate in rates:
        last = pick(rows, rate=rate)
        for _at, row in last[last["task"] == last["task"].max()].iterrows():
            reason = untuned(scores, "classes", [name]) if rate == "tuned" else None
            found.append(measured(row, f"{name}, rate {rate}", reason))
    return found or NotMeasured(f"{name} is not run at {', '.join(rates)}")


def pruned_gain(alpha: float, kept: float, scores: pd.DataFrame, _: EvidenceOf) -> Found:
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
    return [measured(row, f"{100 * row['kept']:.0f} % of the weights kept, exponent {alpha:g}")]
