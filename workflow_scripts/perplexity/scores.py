"""The study's table of scores: one row, one number."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workflow_scripts.perplexity import bounds, correlation, curves
from workflow_scripts.shared import job, limits, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Bounds, Interval, seed_interval

CONDITIONS = [
    *("encoding", "target", "size", "flip", "step", "string", "form", "panel"),
    *("base_accuracy", "gamma", "delta_share", "theta", "floor", "xi"),
    *("pool", "measured_on", "criterion", "wording"),
    *("task", "edit", "score", "distance"),
]
TEXTS = ("wording", "task", "edit", "score")
COPIER, PARITY = "small copier", "parity model"
# Metrics whose power of the length is a claim.
SLOPES = ("nats_beta", "gradient_beta", "size_times_gradient_beta")
LIMITS = ("gap", "nats_apart")  # metrics whose limit at large lengths is a claim
# Probabilities whose median over lengths is a claim, and whether only longer than trained.
MEDIANS = {"alpha_least": False, "beta_flip": True}
# Positive metrics that span orders of magnitude: their mean over copiers is geometric.
GEOMETRIC = ("gap", "nats_", "taught_nats_", "gradient_", "size_times_gradient_", "corrected_bound")
SHARES = (  # metrics whose value for one copier lies between 0 and 1
    *("alpha_least", "beta_flip", "most_one_on_beta", "alpha_copied", "beta_copied"),
    *("accuracy", "brier", "calibration_error", "gamma", "alpha_error", "beta_not_alpha"),
)
SHARE = (0.0, 1.0)
SMALLEST = curves.SMALLEST  # lower limit of a value before its logarithm
ROUNDING = 1.0e-5  # of float32 probabilities in a bound
XI = 0.1  # nats; the tolerance of lemma 3.1 and proposition 3.2 for trained copiers
COMPACT = ("rope", "nope")  # the encodings to which lemma 3.1 applies


def mean_of(metric: str, values: ArrayLike) -> Interval:
    """Mean of `values`, shape (n,), with Student's interval; geometric for `GEOMETRIC`."""
    if metric.startswith(GEOMETRIC):
        mean = seed_interval(np.log(np.maximum(np.asarray(values, dtype=float), SMALLEST)))
        value, low, high = np.exp(mean[:3]).tolist()
        return Interval(value, low, high, mean.n)
    return seed_interval(values, bounds=SHARE if metric in SHARES else None)


def pooled(frame: pd.DataFrame) -> list[Row]:
    """E1: mean over copiers of every metric with Student's interval, geometric for `GEOMETRIC`."""
    rows = []
    keys = ["encoding", "size", "flip", "metric"]
    for (encoding, size, flip, metric), own in frame.groupby(keys):
        found = mean_of(str(metric), own["value"])
        place: Row = {"units": "copiers", "encoding": encoding, "size": size, "flip": flip}
        rows.append(scores.interval("E1", str(metric), found, **place))
    return rows


def log_slope(own: pd.DataFrame) -> float:
    """Least-squares slope of the logarithm of a metric against the logarithm of the size."""
    sizes, values = own["size"].to_numpy(float), own["value"].to_numpy(float)
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, SMALLEST)), 1)[0])


def over_sizes(frame: pd.DataFrame, metric: str, unit: str, above: int = 0) -> pd.DataFrame:
    """A metric where beta's last bit is flipped: one row per `unit`, one column per size.

    Sizes above `above` only. Units that lack a size are left out.
    """
    own = frame[(frame["flip"] == "last") & (frame["metric"] == metric) & (frame["size"] > above)]
    return own.pivot(index=unit, columns="size", values="value").dropna()


def copier_curves(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E1: slopes, limits and medians over sizes, mean over the copiers of an encoding.

    Slopes are log-log; slopes and limits are over sizes above `longest`, the trained ones.
    """
    rows = []
    for encoding, own in frame.groupby("encoding"):
        place: Row = {"units": "copiers", "encoding": encoding, "flip": "last"}
        for metric in SLOPES:
            table = over_sizes(own, metric, "seed", longest)
            if table.shape[1] > 1 and len(table):
                each = [
                    log_slope(pd.DataFrame({"size": table.columns, "value": values}))
                    for values in table.to_numpy()
                ]
                rows.append(scores.mean("E1", f"slope_{metric}", each, **place))
        for metric in LIMITS:
            table = over_sizes(own, metric, "seed", longest)
            if table.shape[1] >= limits.LEAST_SIZES and len(table):
                found = limits.limit(table.columns.to_numpy(float), table.to_numpy())
                rows.append(scores.interval("E1", f"limit_{metric}", found, **place))
        for metric, beyond in MEDIANS.items():
            table = over_sizes(own, metric, "seed", longest if beyond else 0)
            if table.size:
                each = np.median(table.to_numpy(), 1).tolist()
                rows.append(scores.mean("E1", f"median_{metric}", each, bounds=SHARE, **place))
    return rows


def widened(over_sizes: Interval, wordings: list[float], bounds: Bounds | None = None) -> Interval:
    """An interval over sizes, widened to the one over wordings if there are several."""
    if len(wordings) < 2:
        return over_sizes
    other = seed_interval(wordings, bounds=bounds)
    ends = (np.fmin(over_sizes.low, other.low), np.fmax(over_sizes.high, other.high))
    return over_sizes._replace(low=float(ends[0]), high=float(ends[1]))


def model_means(frame: pd.DataFrame) -> list[Row]:
    """E2: mean over wordings of every metric of the pairs, with Student's interval."""
    rows = []
    pairs = frame[frame["wording"] != ""]
    for (model, size, metric), own in pairs.groupby(["model", "size", "metric"]):
        if own["value"].notna().all():
            place: Row = {"units": "wordings", "model": model, "size": size, "flip": "last"}
            found = mean_of(str(metric), own["value"])
            rows.append(scores.interval("E2", str(metric), found, **place))
    return rows


def model_curves(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E2: limits and medians over sizes of each language model, as of the copiers.

    Limits, and the median of beta's flipped bit, are over sizes above `longest`. The units are
    sizes, and wordings where a model was asked in several.
    """
    rows = []
    for model, own in frame[frame["wording"] != ""].groupby("model"):
        place: Row = {"units": "sizes", "model": model, "flip": "last"}
        for metric in LIMITS:
            table = over_sizes(own, metric, "wording", longest)
            if table.shape[1] < curves.LEAST_SIZES or not len(table):
                continue
            sizes, logs = table.columns.to_numpy(float), np.log(table.clip(lower=SMALLEST))
            several = table.to_numpy()[: len(table) if len(table) > 1 else 0]
            each = [curves.limit(sizes, curve).value for curve in several]
            found = widened(curves.limit(sizes, np.exp(logs.mean().to_numpy())), each)
            rows.append(scores.interval("E2", f"limit_{metric}", found, **place))
        for metric, beyond in MEDIANS.items():
            table = over_sizes(own, metric, "wording", longest if beyond else 0)
            if table.size:
                each = np.median(table.to_numpy(), 1).tolist()
                found = widened(curves.median(table.mean().to_numpy()), each, SHARE)
                rows.append(scores.interval("E2", f"median_{metric}", found, **place))
    return rows


def neighbours(frame: pd.DataFrame, floor: float) -> list[Row]:
    """E1: copiers with a neighbour of alpha that they do not copy, within `XI` nats of it.

    At the largest size, if it is one from which lemma 3.1 can promise `XI`; over copiers with
    compact encodings that copy alpha there with more than 1/2 on every bit.
    """
    least = bounds.enough(XI, floor)[0]
    rows = [scores.exact("E1", "enough_bits", least, 1, units="sizes", xi=XI)]
    pairs = frame[frame["encoding"].isin(COMPACT) & (frame["flip"] != "random")]
    size = int(pairs["size"].max())
    own = pairs[pairs["size"] == size]
    keys = ["encoding", "seed", "flip"]
    table = own.pivot(index=keys, columns="metric", values="value")
    if size < least or "alpha_least" not in table:
        return rows
    copied = table[table["alpha_least"] > 0.5]
    close = (copied["beta_copied"] == 0) & (copied["nats_apart"] < XI)
    found = close.groupby(level=["encoding", "seed"]).any()
    if len(found):
        place: Row = {"units": "copiers", "xi": XI, "size": size}
        rows.append(scores.share("E1", "neighbour_found", int(found.sum()), len(found), **place))
    return rows


def broken_bounds(frame: pd.DataFrame) -> list[Row]:
    """E1: violations of the union bounds, and of lemma 3.1 in both forms under its premises."""
    rows = []
    for encoding, own in frame.groupby("encoding"):
        table = own.pivot(index=["seed", "size", "flip"], columns="metric", values="value")
        if "corrected_bound" in table:
            pairs = table.dropna(subset=["nats_apart", "corrected_bound"])
            for form in ("corrected", "printed"):
                count = int((pairs["nats_apart"] > pairs[f"{form}_bound"] + ROUNDING).sum())
                place: Row = {"units": "pairs", "encoding": encoding, "form": form}
                rows.append(scores.exact("E1", "bound_broken", count, len(pairs), **place))
        errors = table.dropna(subset=["alpha_error"])
        over = int((errors["alpha_error"] > errors["alpha_union"] + ROUNDING).sum())
        over += int((errors["beta_not_alpha"] > errors["beta_union"] + ROUNDING).sum())
        place = {"units": "probabilities", "encoding": encoding}
        rows.append(scores.exact("E1", "union_bound_broken", over, 2 * len(errors), **place))
    return rows


def main(
    theory: str,
    copies: list[str],
    checkpoints: str,
    models: list[str],
    blind_spots: list[str],
    selection: str,
    table: str,
    copying_longest: int,
    copying_steps: int,
    model_longest: int,
    floor: float,
    provenance: dict[str, Any],
) -> None:
    """Gather the tables of all experiments into `table`.

    `copying_longest` and `model_longest` are the longest strings, in bits, that copiers and
    language models were trained on.
    """
    e1 = pd.concat([tables.read(path) for path in copies], ignore_index=True)
    e2 = pd.concat([tables.read(path) for path in models], ignore_index=True)
    e4 = tables.read(checkpoints)
    ours = [
        *pooled(e1),
        *copier_curves(e1, copying_longest),
        *neighbours(e1, floor),
        *broken_bounds(e1),
        scores.exact("E1", "training_steps", copying_steps, 1, units="trainings"),
    ]
    over_checkpoints = [*correlation.correlations(e4), *correlation.best_ranks(e4)]
    parts = [
        tables.read(theory).assign(model="theory"),
        e1.assign(model=COPIER),
        pd.DataFrame(ours).assign(model=COPIER),
        e2,
        pd.DataFrame(model_means(e2)),
        pd.DataFrame(model_curves(e2, model_longest)),
        e4.assign(model=PARITY),
        pd.DataFrame(over_checkpoints).assign(model=PARITY),
        tables.read(selection).assign(model="pool"),
        *(tables.read(path) for path in blind_spots),
    ]
    frame = scores.table(parts, CONDITIONS, whole=("size", "step"), texts=TEXTS)
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
