"""Scores of the study in one table, one number per row.

Runs that diverged or did not reach the training loss are counted and left out of the means; `n`
counts the seeds that remain. Intervals are over seeds. Differences are paired by seed, because all
optimisers share starts, tasks and batches.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.optimizers import changes
from workflow_scripts.optimizers.data import load_name
from workflow_scripts.optimizers.matched import ORDERS
from workflow_scripts.optimizers.pooling import difference_bounds, lost, paired, pooled
from workflow_scripts.optimizers.sequences import continual_scores
from workflow_scripts.optimizers.tune import chosen
from workflow_scripts.shared import job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import ENDS, Row, mean
from workflow_scripts.shared.statistics import Interval

WHOLE = ("task", "of_task", "index")
CONDITIONS = [
    *("optimizer", "other", "pair", "stream", "protocol", "state", "rate", "form", "alpha", "kept"),
    *("task", "of_task", "layer", "index", "x", "y", "loss_share", "learning_rate", "time", "part"),
]
REFERENCE = "sgd"
BEYOND_BATCHES = ("sharpness", "activation_effective_rank")  # of solutions, as log ratios


def tuning_scores(frame: pd.DataFrame) -> list[Row]:
    """The budget, the tuned rate and whether it is at an end of its range; accuracy by rate."""
    rows = []
    for (name, stream), runs in frame.groupby(["optimizer", "stream"], sort=False):
        place: Row = {"optimizer": name, "stream": stream, "units": "runs"}
        rates, rate = sorted(runs["rate"].unique()), chosen(runs, str(stream))
        n = len(runs[["rate", "seed"]].drop_duplicates())
        diverged = runs.groupby(["rate", "seed"])["diverged"].any().sum()
        at_end = rate in (rates[0], rates[-1])
        rows += [
            scores.number("tuning", "tuned_rate", rate, n, **place),
            scores.number("tuning", "tuned_rate_at_end", at_end, n, **place),
            scores.exact("tuning", "tuning_runs", n, n, **place),
            scores.exact("tuning", "diverged_runs", diverged, n, **place),
        ]
        tasks = place | {"units": "tasks", "bounds": (0.0, 1.0)}
        rows += [
            mean("tuning", "validation_accuracy", a, learning_rate=r, **tasks)
            for r, a in runs.groupby("rate")["accuracy"]
        ]
    return rows


def matched_scores(frame: pd.DataFrame) -> list[Row]:
    """Solutions at one training loss: means, ratios to SGD, and the effect of batches alone."""
    reached = frame[frame["metric"] == "reached"].set_index(["optimizer", "seed", "order"])["value"]
    index = pd.MultiIndex.from_frame(frame[["optimizer", "seed", "order"]])
    frame = frame.assign(
        missed=(reached.reindex(index).to_numpy() < 1) & ~frame["diverged"].to_numpy(),
        run=frame["seed"].astype(str) + frame["order"],
    )
    rows = lost("matched", "diverged_runs", frame, ["optimizer"], "diverged")
    rows += lost("matched", "missed_runs", frame, ["optimizer"], "missed")
    sound = frame[~frame["diverged"] & ~frame["missed"]]
    first = sound[sound["order"] == "first"]
    rows += pooled("matched", first, ["optimizer", "layer", "kept"])
    keys = ["metric", "layer", "kept"]
    for (metric, *at), group in first.groupby(keys, dropna=False, sort=False):
        by_name = {n: v.set_index("seed")["value"] for n, v in group.groupby("optimizer")}
        own = by_name.pop(REFERENCE, None)
        if own is None:
            continue
        for name, values in by_name.items():
            place: Row = dict(zip(keys[1:], at, strict=True), optimizer=name, other=REFERENCE)
            bounds = difference_bounds(str(metric))
            rows += paired("matched", f"{metric}_difference", values, own, bounds, **place)
            if pd.isna(place["kept"]) and (values > 0).all() and (own > 0).all():
                logs = paired("matched", f"{metric}_ratio", np.log(values), np.log(own), **place)
                rows += [row | {end: exponential(row[end]) for end in ENDS} for row in logs]
    return rows + beyond_batches(sound)


def exponential(end: float | None) -> float | None:
    """exp of one end of an interval of logarithms; None stays None."""
    return None if end is None else float(np.exp(end))


def beyond_batches(sound: pd.DataFrame) -> list[Row]:
    """Mean distance between optimisers minus that between two orders of batches, by seed.

    The distance is the absolute difference of log sharpness, or of the log effective rank of the
    first hidden layer.
    """
    rows = []
    for metric in BEYOND_BATCHES:
        found = sound[sound["metric"] == metric]
        found = found[found["layer"].isna() | (found["layer"] == "hidden1")]
        logs = found.assign(value=np.log(found["value"]))
        first, second = (
            logs[logs["order"] == order].pivot(index="seed", columns="optimizer", values="value")
            for order in ORDERS
        )
        names = first.columns.intersection(second.columns)
        first, second = first[names].dropna(), second[names].dropna()
        seeds = first.index.intersection(second.index)
        if seeds.empty or len(names) < 2:
            continue
        values = first.loc[seeds].to_numpy()
        one, other = np.triu_indices(values.shape[1], 1)
        between = np.abs(values[:, one] - values[:, other]).mean(1)
        within = np.abs(values - second.loc[seeds].to_numpy()).mean(1)
        rows.append(mean("matched", f"{metric}_beyond_batches", between - within))
    return rows


def pair_scores(frame: pd.DataFrame) -> list[Row]:
    """Function distances and barriers of pairs of solutions, and what optimisers add to them."""
    sound = frame[frame["sound"]]
    rows = pooled("pairs", sound, ["pair", "optimizer", "other"])
    distances = sound[sound["metric"] == "function_distance"]
    own = distances[distances["pair"] == "batches"]
    noise = own.set_index(["optimizer", "seed"])["value"]
    between = distances[distances["pair"] == "optimizers"].copy()
    for side in ("optimizer", "other"):
        index = pd.MultiIndex.from_frame(between[[side, "seed"]])
        between[f"noise_{side}"] = noise.reindex(index).to_numpy()
    between["excess"] = between["value"] - between[["noise_optimizer", "noise_other"]].mean(axis=1)
    by_seed = between.dropna(subset="excess").groupby("seed")["excess"].mean()
    if len(by_seed):
        place: Row = {"pair": "optimizers", "bounds": difference_bounds("function_distance")}
        rows.append(mean("pairs", "function_distance_beyond_batches", by_seed, **place))
    return rows


def sparsity_scores(frame: pd.DataFrame) -> list[Row]:
    """E4: accuracy against the share of weights kept, and gains over exponent 1."""
    frame = frame.assign(run=frame["seed"])
    rows = lost("sparsity", "diverged_runs", frame, ["form", "alpha"], "diverged")
    sound = frame[~frame["diverged"]]
    rows += pooled("sparsity", sound, ["form", "alpha", "kept"])
    curves = sound[sound["metric"] == "pruned_accuracy"]
    for (form, kept), group in curves.groupby(["form", "kept"]):
        by_alpha = {a: v.set_index("seed")["value"] for a, v in group.groupby("alpha")}
        place: Row = {"form": form, "kept": kept}
        for alpha, values in by_alpha.items():
            if alpha != 1 and 1 in by_alpha:
                gain = values, by_alpha[1], difference_bounds("pruned_accuracy")
                rows += paired("sparsity", "pruned_accuracy_gain", *gain, alpha=alpha, **place)
    for at, group in curves.groupby(["alpha", "kept"]):
        by_form = {f: v.set_index("seed")["value"] for f, v in group.groupby("form")}
        if len(by_form) == 2:
            both = by_form["preconditioned"], by_form["reparameterised"]
            metric = "pruned_accuracy_difference_of_forms"
            place = dict(zip(("alpha", "kept"), at, strict=True))
            rows += paired("sparsity", metric, *both, difference_bounds("pruned_accuracy"), **place)
    return rows


def path_gap_orders(frame: pd.DataFrame) -> list[Row]:
    """The order in the rate of the gap between the two forms, at the two smallest rates.

    The limit is claimed, so the smallest rates count. Runs in which a weight changed its sign at
    one of them are counted and left out. The median over the others is not moved by single runs
    whose path crosses a kink of the ReLU in one form only; its interval is the one of the sign test
    (order statistics), which needs six runs.
    """
    from scipy import stats

    rows = []
    frame = frame[frame["metric"].isin(["path_gap", "sign_flipped"])]
    for alpha, group in frame.groupby("alpha"):
        gaps, flipped = (
            group[group["metric"] == metric]
            .pivot(index="learning_rate", columns="seed", values="value")
            .sort_index()
            .iloc[:2]
            for metric in ("path_gap", "sign_flipped")
        )
        out = flipped.any()
        count = scores.exact("theory", "sign_flip_runs", out.sum(), len(out), units="runs")
        rows.append(count | {"alpha": alpha})
        orders = np.log(gaps.iloc[1] / gaps.iloc[0]) / np.log(gaps.index[1] / gaps.index[0])
        orders = orders[~out].to_numpy()
        if not len(orders):
            continue
        ends = stats.quantile_test(orders, p=0.5).confidence_interval(0.95)
        found = Interval(float(np.median(orders)), ends.low, ends.high, len(orders))
        rows.append(scores.interval("theory", "path_gap_order", found, units="seeds", alpha=alpha))
    return rows


def computed_scores(experiment: str, frame: pd.DataFrame, keys: list[str]) -> list[pd.DataFrame]:
    """Finished rows as they are, and values by seed pooled."""
    finished = frame["units"].notna()
    rows = frame[finished].astype({"n": int})  # floats in the file, where values by seed have none
    return [rows, pd.DataFrame(pooled(experiment, frame[~finished], keys))]


def main(
    data: str,
    tuning: list[str],
    continual: list[str],
    matched: list[str],
    solutions: str,
    sparsity: str,
    landscape: str,
    linear: str,
    theory: str,
    table: str,
    changes_table: str,
    optimizers: list[str],
    solved: list[str],
    provenance: dict[str, Any],
) -> None:
    """Write the scores (`table`) and the comparison of all optimisers as CSV (`changes_table`).

    `tuning` and `continual` hold one table per optimiser, in the order of `optimizers`, `matched`
    one for each of `solved`.
    """

    def of_all(names: list[str], paths: list[str]) -> pd.DataFrame:
        named = zip(names, paths, strict=True)
        parts = [tables.read(path).assign(optimizer=name) for name, path in named]
        return pd.concat(parts, ignore_index=True)

    trained = [
        *tuning_scores(of_all(optimizers, tuning)),
        *continual_scores(of_all(optimizers, continual)),
        *matched_scores(of_all(solved, matched)),
        *pair_scores(tables.read(solutions)),
        *sparsity_scores(tables.read(sparsity)),
    ]
    linear_keys = ["optimizer", "part", "loss_share", "index", "time"]
    paths = tables.read(theory)
    values = paths[paths["metric"] != "sign_flipped"]
    computed = [
        tables.read(landscape),
        *computed_scores("linear", tables.read(linear), linear_keys),
        *computed_scores("theory", values, ["optimizer", "alpha", "learning_rate"]),
        pd.DataFrame(path_gap_orders(paths)),
    ]
    frame = scores.table(
        [
            pd.DataFrame(trained).assign(model=f"MLP on {load_name(data)}"),
            *(part.assign(model="theory") for part in computed),
        ],
        CONDITIONS,
        WHOLE,
    )
    tables.write(frame, table, SCORES, provenance)
    changes.write(changes_table, frame)


if __name__ == "__main__":
    job.run(snakemake, main)
