"""Everything the study measured, as one table of scores: one row, one number."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import correlation
from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.statistics import seed_interval

CONDITIONS = [
    *("encoding", "reading", "size", "flip", "step", "string", "form", "panel"),
    *("base_accuracy", "gamma", "delta_share", "theta", "floor", "xi"),
    *("pool", "measured_on", "criterion"),
]
COPIER, PARITY = "small copier", "parity model"
# Of these the change with the length of the string is a claim.
SLOPES = (
    *("gap", "nats_apart", "nats_beta", "beta_flip"),
    *("gradient_beta", "size_times_gradient_beta", "taught_nats_alpha"),
)
# Positive quantities over orders of magnitude: their mean over copiers is geometric.
GEOMETRIC = ("gap", "nats_", "taught_nats_", "gradient_", "size_times_gradient_", "corrected_bound")
SMALLEST = 1.0e-12  # what such a quantity counts as at least
EXACT = 1.0e-5  # rounding of float32 probabilities in a bound

Row = dict[str, Any]


def pooled(frame: pd.DataFrame) -> list[Row]:
    """E1: mean over copiers of every metric, with Student's interval.

    Of `GEOMETRIC` metrics it is the geometric mean, with the interval of the logarithm.
    """
    rows: list[Row] = []
    keys = ["encoding", "size", "flip", "metric"]
    for (encoding, size, flip, metric), own in frame.groupby(keys):
        row: Row = {"experiment": "E1", "encoding": encoding, "size": size, "flip": flip}
        if str(metric).startswith(GEOMETRIC):
            mean = seed_interval(np.log(own["value"].clip(lower=SMALLEST)))
            value, low, high = map(float, np.exp([mean.value, mean.low, mean.high]))
        else:
            mean = seed_interval(own["value"])
            value, low, high = mean.value, mean.low, mean.high
        row |= {"metric": metric, "value": value, "n": mean.n}
        rows.append(row | {"ci_low": low, "ci_high": high})
    return rows


def log_slope(own: pd.DataFrame) -> float:
    """Slope of the logarithm of a metric against the logarithm of the size, least squares."""
    sizes, values = own["size"].to_numpy(float), own["value"].to_numpy(float)
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, SMALLEST)), 1)[0])


def slopes(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E1: log-log slopes beyond the trained sizes, where beta's last bit is flipped."""
    rows: list[Row] = []
    frame = frame[(frame["flip"] == "last") & (frame["size"] > longest)]
    for (encoding, metric), own in frame.groupby(["encoding", "metric"]):
        if metric not in SLOPES:
            continue
        mean = seed_interval([log_slope(run) for _, run in own.groupby("seed")])
        row: Row = {"experiment": "E1", "metric": f"slope_{metric}", "encoding": encoding}
        row |= {"flip": "last", "value": mean.value, "n": mean.n}
        rows.append(row | {"ci_low": mean.low, "ci_high": mean.high})
    return rows


def broken_bounds(frame: pd.DataFrame) -> list[Row]:
    """E1: how many pairs that keep the premises break each form of lemma 3.1's inequality, and
    how many error probabilities exceed their union bound."""
    index = ["seed", "size", "flip"]
    rows: list[Row] = []
    for encoding, own in frame.groupby("encoding"):
        table = own.pivot(index=index, columns="metric", values="value")
        pairs = table.dropna(subset=["nats_apart"])
        if "corrected_bound" in table:
            pairs = pairs.dropna(subset=["corrected_bound"])
            for form in ("corrected", "printed"):
                count = int((pairs["nats_apart"] > pairs[f"{form}_bound"] + EXACT).sum())
                row: Row = {"metric": "bound_broken", "form": form, "n": len(pairs)}
                rows.append(row | {"encoding": encoding, "value": count})
        errors = table.dropna(subset=["alpha_error"])
        over = int((errors["alpha_error"] > errors["alpha_union"] + EXACT).sum())
        over += int((errors["beta_not_alpha"] > errors["beta_union"] + EXACT).sum())
        row = {"metric": "union_bound_broken", "encoding": encoding}
        rows.append(row | {"value": over, "n": 2 * len(errors)})
    return [{"experiment": "E1"} | row for row in rows]


def model_slopes(frame: pd.DataFrame, longest: int) -> list[Row]:
    """E2: the same slopes for each language model, over sizes beyond the longest trained string."""
    rows: list[Row] = []
    own = frame[(frame["flip"] == "last") & (frame["size"] > longest)]
    for (model, metric), run in own.groupby(["model", "metric"]):
        if metric in SLOPES and len(run) > 1:
            row: Row = {"experiment": "E2", "metric": f"slope_{metric}", "model": model}
            rows.append(row | {"flip": "last", "value": log_slope(run), "n": len(run)})
    return rows


def main(
    table: str,
    theory: str,
    copies: list[str],
    checkpoints: str,
    models: list[str],
    selection: str,
    copying_longest: int,
    copying_steps: int,
    model_longest: int,
    resamples: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    e1 = pd.concat([tables.read(path) for path in copies], ignore_index=True)
    e2 = pd.concat([tables.read(path) for path in models], ignore_index=True)
    e4 = tables.read(checkpoints)
    ours = [*pooled(e1), *slopes(e1, copying_longest), *broken_bounds(e1)]
    ours.append({"experiment": "E1", "metric": "training_steps", "value": copying_steps, "n": 1})
    parts = [
        tables.read(theory).assign(model="theory"),
        e1.assign(experiment="E1", model=COPIER, n=1),
        pd.DataFrame(ours).assign(model=COPIER),
        e2.assign(experiment="E2"),
        pd.DataFrame(model_slopes(e2, model_longest)),
        e4.assign(experiment="E4", model=PARITY),
        pd.DataFrame(correlation.correlations(e4, resamples, seed)).assign(model=PARITY),
        pd.DataFrame(correlation.best_ranks(e4, resamples, seed)).assign(model=PARITY),
        tables.read(selection).assign(experiment="selection", model="pool"),
    ]
    columns = ["experiment", *CONDITIONS, "model", "seed", "metric"]
    columns += ["value", "ci_low", "ci_high", "n"]
    frame = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    for column in ("size", "step"):
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        given, params = snakemake.input, snakemake.params
        main(
            snakemake.output.table,
            given.theory,
            list(given.copies),
            given.checkpoints,
            list(given.models),
            given.selection,
            params.copying_longest,
            params.copying_steps,
            params.model_longest,
            params.resamples,
            params.seed,
            provenance=provenance.of(snakemake),
        )
