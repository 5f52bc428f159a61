"""The study's table of scores: one row, one number."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import correlation
from workflow_scripts.shared import job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval, seed_interval

CONDITIONS = [
    *("encoding", "target", "size", "flip", "step", "string", "form", "panel"),
    *("base_accuracy", "gamma", "delta_share", "theta", "floor", "xi"),
    *("pool", "measured_on", "criterion"),
]
COPIER, PARITY = "small copier", "parity model"
# Metrics whose change with the length of the string is a claim.
SLOPES = (
    *("gap", "nats_apart", "nats_beta", "beta_flip"),
    *("gradient_beta", "size_times_gradient_beta", "taught_nats_alpha"),
)
# Positive metrics that span orders of magnitude: their mean over copiers is geometric.
GEOMETRIC = ("gap", "nats_", "taught_nats_", "gradient_", "size_times_gradient_", "corrected_bound")
SMALLEST = 1.0e-12  # lower limit of a value before its logarithm
ROUNDING = 1.0e-5  # of float32 probabilities in a bound


def pooled(frame: pd.DataFrame) -> list[Row]:
    """E1: mean over copiers of every metric with Student's interval, geometric for `GEOMETRIC`."""
    rows = []
    keys = ["encoding", "size", "flip", "metric"]
    for (encoding, size, flip, metric), own in frame.groupby(keys):
        if str(metric).startswith(GEOMETRIC):
            mean = seed_interval(np.log(own["value"].clip(lower=SMALLEST)))
            value, low, high = np.exp(mean[:3]).tolist()
            found = Interval(value, low, high, mean.n)
        else:
            found = seed_interval(own["value"])
        place: Row = {"units": "copiers", "encoding": encoding, "size": size, "flip": flip}
        rows.append(scores.interval("E1", str(metric), found, **place))
    return rows


def log_slope(own: pd.DataFrame) -> float:
    """Least-squares slope of the logarithm of a metric against the logarithm of the size."""
    sizes, values = own["size"].to_numpy(float), own["value"].to_numpy(float)
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, SMALLEST)), 1)[0])


def beyond(frame: pd.DataFrame, longest: int) -> pd.DataFrame:
    """Rows of `SLOPES` at sizes above `longest`, where beta's last bit is flipped."""
    rows = frame[(frame["flip"] == "last") & (frame["size"] > longest)]
    return rows[rows["metric"].isin(SLOPES)]


def slopes(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E1: log-log slopes over sizes above the trained ones, mean over copiers."""
    rows = []
    for (encoding, metric), own in beyond(frame, longest).groupby(["encoding", "metric"]):
        each = [log_slope(run) for _, run in own.groupby("seed")]
        place: Row = {"units": "copiers", "encoding": encoding, "flip": "last"}
        rows.append(scores.mean("E1", f"slope_{metric}", each, **place))
    return rows


def model_slopes(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E2: the same slopes of each language model, over sizes above its longest trained string."""
    rows = []
    for (model, metric), run in beyond(frame, longest).groupby(["model", "metric"]):
        if len(run) > 1:
            place: Row = {"units": "sizes", "model": model, "flip": "last"}
            rows.append(scores.number("E2", f"slope_{metric}", log_slope(run), len(run), **place))
    return rows


def broken_bounds(frame: pd.DataFrame) -> list[Row]:
    """E1: violations of the union bounds, and of both forms of lemma 3.1 if its premises hold."""
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
    selection: str,
    table: str,
    copying_longest: int,
    copying_steps: int,
    model_longest: int,
    resamples: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Gather the study's tables into its scores, with slopes, correlations and violations."""
    e1 = pd.concat([tables.read(path) for path in copies], ignore_index=True)
    e2 = pd.concat([tables.read(path) for path in models], ignore_index=True)
    e4 = tables.read(checkpoints)
    ours = [
        *pooled(e1),
        *slopes(e1, copying_longest),
        *broken_bounds(e1),
        scores.exact("E1", "training_steps", copying_steps, 1, units="trainings"),
    ]
    over_checkpoints = [
        *correlation.correlations(e4, resamples, seed),
        *correlation.best_ranks(e4, resamples, seed),
    ]
    parts = [
        tables.read(theory).assign(model="theory"),
        e1.assign(model=COPIER),
        pd.DataFrame(ours).assign(model=COPIER),
        e2,
        pd.DataFrame(model_slopes(e2, model_longest)),
        e4.assign(model=PARITY),
        pd.DataFrame(over_checkpoints).assign(model=PARITY),
        tables.read(selection).assign(model="pool"),
    ]
    frame = scores.table(parts, CONDITIONS, whole=("size", "step"))
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
