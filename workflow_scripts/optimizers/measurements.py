"""What the scores say about each claim: one function measures one quantity."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured

Found = Sequence[Measured] | NotMeasured
EvidenceOf = Callable[[str], Evidence]
STAND_IN_DATA = "MLP on digits"
FULLEST = "shampoo"  # the paper's non-diagonal preconditioner
RIVALS = ("sgd", "adamw")


def select(scores: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Pooled rows (no single seed) whose columns have the wanted values; None asks for a blank."""
    rows = scores[scores["seed"].isna()]
    for column, value in wanted.items():
        if value is None:
            rows = rows[rows[column].isna()]
        else:
            rows = rows[(rows[column] == value).fillna(False).astype(bool)]
    return rows


def one(scores: pd.DataFrame, **wanted: Any) -> pd.Series:
    """The single row that fits. Raises `LookupError` when none or several do."""
    rows = select(scores, **wanted)
    if len(rows) != 1:
        raise LookupError(f"scores: {len(rows)} rows for {wanted}, expected one")
    return rows.iloc[0]


def kind(row: pd.Series) -> Evidence:
    """Digits stand in for MNIST; a run on MNIST-style files is the paper's kind of experiment."""
    if row["model"] == "theory":
        return Evidence.THEORY
    return Evidence.STAND_IN if row["model"] == STAND_IN_DATA else Evidence.PROTOCOL


def measured(row: pd.Series, note: str, reason: str | None = None) -> Measured:
    ends = [row["value"] if pd.isna(row[end]) else row[end] for end in ("ci_low", "ci_high")]
    model = None if row["model"] == "theory" else row["model"]
    value, low, high = float(row["value"]), float(ends[0]), float(ends[1])
    return Measured(value, low, high, int(row["n"]), kind(row), note, model, reason)


def untuned(scores: pd.DataFrame, stream: str, names: Sequence[str]) -> str | None:
    """Why a comparison is not fair: a tuned rate that lies at an end of its range."""
    at_end = [
        name
        for name in names
        if one(
            scores,
            experiment="tuning",
            optimizer=name,
            stream=stream,
            metric="tuned_rate_at_end",
        )["value"]
    ]
    if not at_end:
        return None
    return f"the tuned rate of {', '.join(at_end)} lies at the end of its range"


def theory(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf, **wanted: Any) -> Found:
    """A quantity in closed form or by exact computation, one entry for each row that fits."""
    rows = select(scores, experiment="theory", metric=metric, **wanted)
    found = []
    for at in range(len(rows)):
        row = rows.iloc[at]
        exponent = "" if pd.isna(row["alpha"]) else f"; exponent {row['alpha']:g}"
        found.append(measured(row, f"{note}{exponent}"))
    return found or NotMeasured("no such computation at this scale")


def worst(metric: str, note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The largest of an exact error over all exponents."""
    rows = select(scores, experiment="theory", metric=metric)
    return [measured(rows.sort_values("value").iloc[-1], note)]


def beyond_batches(experiment: str, metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """What a change of optimiser adds to a change of batches, at one loss from one start."""
    rows = select(scores, experiment=experiment, metric=f"{metric}_beyond_batches")
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
    """Shampoo less each rival, paired by seed, after the last task."""
    found = []
    for rival in rivals:
        rows = select(
            scores,
            experiment="continual",
            metric=f"{metric}_difference",
            optimizer=FULLEST,
            other=rival,
            stream=stream,
            protocol=protocol,
            state="kept",
            layer=layer,
        )
        if len(rows) == 1:
            tuned = [FULLEST] if " " in rival else [FULLEST, rival]
            reason = untuned(scores, stream, tuned)
            found.append(measured(rows.iloc[0], f"Shampoo less {rival}", reason))
    return found or NotMeasured("Shampoo or its rivals are not among the optimisers of this run")


def classes(
    metric: str, name: str, rates: Sequence[str], scores: pd.DataFrame, _: EvidenceOf, **place: Any
) -> Found:
    """An accuracy at the end of the class-incremental stream, for each rate."""
    found = []
    for rate in rates:
        rows = select(
            scores,
            experiment="continual",
            stream="classes",
            protocol="steps",
            state="kept",
            optimizer=name,
            rate=rate,
            metric=metric,
            **place,
        )
        rows = rows[rows["task"] == rows["task"].max()]
        if len(rows) == 1:
            reason = untuned(scores, "classes", [name]) if rate == "tuned" else None
            found.append(measured(rows.iloc[0], f"{name}, rate {rate}", reason))
    return found or NotMeasured(f"{name} is not run at {', '.join(rates)}")


def pruned_gain(alpha: float, kept: float, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Accuracy that the preconditioner form keeps beyond plain SGD, at the level nearest `kept`."""
    rows = select(
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


def untested(reason: str, _: pd.DataFrame, __: EvidenceOf) -> Found:
    return NotMeasured(reason)
