"""Everything the study measured, as one table of scores: one row, one number.

Runs that diverged, or did not reach the wanted loss, are counted and kept out of the means; `n` is
what a mean was taken over. Intervals are over seeds; differences are paired by seed, because all
optimisers share starts, tasks and batches.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.optimizers import changes
from workflow_scripts.optimizers.pooling import Row, ends, lost, paired, pooled
from workflow_scripts.optimizers.sequences import continual
from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.statistics import seed_interval

WHOLE = ("task", "of_task", "index")
CONDITIONS = [
    *("optimizer", "other", "pair", "stream", "protocol", "state", "rate", "form", "alpha"),
    *("kept", "task", "of_task", "layer", "index", "x", "y", "loss_share", "learning_rate", "time"),
]
REFERENCE = "sgd"
ORDERS = ("first", "second")  # of the batches
BEYOND_BATCHES = ("sharpness", "activation_effective_rank")  # of solutions, as log ratios


def tuning(frame: pd.DataFrame, chosen: dict[tuple[str, str], float]) -> list[Row]:
    """The budget, the tuned rate and whether it is at an end of its range; accuracy by rate."""
    rows: list[Row] = []
    for (name, stream), runs in frame.groupby(["optimizer", "stream"], sort=False):
        base = {"experiment": "tuning", "optimizer": name, "stream": stream}
        rates = sorted(runs["rate"].unique())
        rate = chosen[str(name), str(stream)]
        trained = runs[["rate", "seed"]].drop_duplicates()
        flags = {
            "tuned_rate": rate,
            "tuned_rate_at_end": float(rate in (rates[0], rates[-1])),
            "tuning_runs": float(len(trained)),
            "diverged_runs": float(runs.groupby(["rate", "seed"])["diverged"].any().sum()),
        }
        rows += [base | {"metric": m, "value": v, "n": len(trained)} for m, v in flags.items()]
        for rate_, accuracy in runs.groupby("rate")["accuracy"]:
            place = {"metric": "validation_accuracy", "learning_rate": rate_}
            rows.append(base | place | ends(seed_interval(accuracy)))
    return rows


def matched(frame: pd.DataFrame) -> list[Row]:
    """Solutions at one training loss: means, ratios to SGD, and what batches alone change."""
    reached = frame[frame["metric"] == "reached"].set_index(["optimizer", "seed", "order"])["value"]
    index = pd.MultiIndex.from_frame(frame[["optimizer", "seed", "order"]])
    frame = frame.assign(
        missed=(reached.reindex(index).to_numpy() < 1) & ~frame["diverged"].to_numpy(),
        run=frame["seed"].astype(str) + frame["order"],
    )
    rows = lost(frame, ["optimizer"], "diverged_runs", "diverged")
    rows += lost(frame, ["optimizer"], "missed_runs", "missed")
    sound = frame[~frame["diverged"] & ~frame["missed"]]
    first = sound[sound["order"] == "first"]
    rows += pooled(first, ["optimizer", "layer", "kept"])
    keys = ["metric", "layer", "kept"]
    for place, group in first.groupby(keys, dropna=False, sort=False):
        named: Row = dict(zip(keys, place, strict=True))
        metric = named.pop("metric")
        columns = {n: v.set_index("seed")["value"] for n, v in group.groupby("optimizer")}
        for name, values in columns.items():
            if name == REFERENCE or REFERENCE not in columns:
                continue
            base = named | {"optimizer": name, "other": REFERENCE}
            rows += paired(values, columns[REFERENCE], f"{metric}_difference", **base)
            if pd.isna(named["kept"]) and (values > 0).all() and (columns[REFERENCE] > 0).all():
                logs = paired(np.log(values), np.log(columns[REFERENCE]), "ratio", **base)
                for row in logs:
                    powers = {k: float(np.exp(row[k])) for k in ("value", "ci_low", "ci_high")}
                    rows.append(row | powers | {"metric": f"{metric}_ratio"})
    rows += beyond_batches(sound)
    return [{"experiment": "matched"} | row for row in rows]


def beyond_batches(sound: pd.DataFrame) -> list[Row]:
    """Mean distance between optimisers less that between two orders of batches, by seed.

    Of log sharpness and of the log effective rank of the first hidden layer, in absolute value.
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
        pairs = np.triu_indices(values.shape[1], 1)
        between = np.abs(values[:, pairs[0]] - values[:, pairs[1]]).mean(1)
        within = np.abs(values - second.loc[seeds].to_numpy()).mean(1)
        excess = {"metric": f"{metric}_beyond_batches"} | ends(seed_interval(between - within))
        rows.append(excess)
    return rows


def pairs(frame: pd.DataFrame) -> list[Row]:
    """Function distances and barriers of pairs of solutions, and what optimisers add to them."""
    sound = frame[frame["sound"]]
    rows = pooled(sound, ["pair", "optimizer", "other"])
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
        name = {"metric": "function_distance_beyond_batches", "pair": "optimizers"}
        rows.append(name | ends(seed_interval(by_seed)))
    return [{"experiment": "pairs"} | row for row in rows]


def sparsity(frame: pd.DataFrame) -> list[Row]:
    """E4: curves of accuracy against the share kept, and gains over the exponent 1."""
    frame = frame.assign(run=frame["seed"])
    rows = lost(frame, ["form", "alpha"], "diverged_runs", "diverged")
    sound = frame[~frame["diverged"]]
    rows += pooled(sound, ["form", "alpha", "kept"])
    curves = sound[sound["metric"] == "pruned_accuracy"]
    for at, group in curves.groupby(["form", "kept"]):
        columns = {a: v.set_index("seed")["value"] for a, v in group.groupby("alpha")}
        for alpha, values in columns.items():
            if alpha != 1 and 1 in columns:
                gained: Row = dict(zip(("form", "kept"), at, strict=True)) | {"alpha": alpha}
                rows += paired(values, columns[1], "pruned_accuracy_gain", **gained)
    for at, group in curves.groupby(["alpha", "kept"]):
        columns = {f: v.set_index("seed")["value"] for f, v in group.groupby("form")}
        if len(columns) == 2:
            place: Row = dict(zip(("alpha", "kept"), at, strict=True))
            both = columns["preconditioned"], columns["reparameterised"]
            rows += paired(*both, "pruned_accuracy_difference_of_forms", **place)
    return [{"experiment": "sparsity"} | row for row in rows]


def linear(frame: pd.DataFrame) -> list[Row]:
    """Ranks of deep linear networks, with the theory's beside them."""
    keys = ["optimizer", "part", "loss_share", "index", "time"]
    rows = pooled(frame, keys)
    return [{"experiment": "linear"} | row for row in rows]


def theory(frame: pd.DataFrame) -> list[Row]:
    """Exact rows as they are; per-seed rows pooled; the order of the paths' gap in the rate."""
    exact = frame[frame["ci_low"].notna()]
    by_seed = frame[frame["ci_low"].isna()]
    rows: list[dict[Any, Any]] = exact.to_dict("records")
    keys = ["optimizer", "alpha", "learning_rate"]
    rows += [{"experiment": "theory"} | row for row in pooled(by_seed, keys)]
    gaps = by_seed[by_seed["metric"] == "path_gap"]
    for alpha, group in gaps.groupby("alpha"):
        wide = group.pivot(index="learning_rate", columns="seed", values="value").sort_index()
        small = wide.iloc[:2].apply(
            np.log
        )  # the two smallest rates: the limit is what is asked for
        step = float(np.log(wide.index[1] / wide.index[0]))
        orders = (small.loc[wide.index[1]] - small.loc[wide.index[0]]) / step
        order = {"experiment": "theory", "alpha": alpha, "metric": "path_gap_order"}
        rows.append(order | ends(seed_interval(orders)))
    return [{str(key): value for key, value in row.items()} for row in rows]


def landscape(frame: pd.DataFrame) -> list[Row]:
    rows = frame.assign(experiment=frame["part"]).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def main(
    table: str,
    csv: str,
    tables_of: dict[str, dict[str, str]],
    single: dict[str, str],
    chosen: dict[tuple[str, str], float],
    source: str,
    provenance: dict[str, Any],
) -> None:
    def all_of(kind: str) -> pd.DataFrame:
        parts = [tables.read(p).assign(optimizer=n) for n, p in tables_of[kind].items()]
        return pd.concat(parts, ignore_index=True)

    trained = [
        *tuning(all_of("tuning"), chosen),
        *continual(all_of("continual")),
        *matched(all_of("matched")),
        *pairs(tables.read(single["solutions"])),
        *sparsity(tables.read(single["sparsity"])),
    ]
    exact = [
        *landscape(tables.read(single["landscape"])),
        *linear(tables.read(single["linear"])),
        *theory(tables.read(single["theory"])),
    ]
    columns = ["experiment", *CONDITIONS, "part", "model", "seed", "metric"]
    columns += ["value", "ci_low", "ci_high", "n"]
    frame = pd.concat(
        [
            pd.DataFrame(trained).assign(model=f"MLP on {source}"),
            pd.DataFrame(exact).assign(model="theory"),
        ],
        ignore_index=True,
    ).reindex(columns=columns)
    for column in WHOLE:
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, SCORES, provenance)
    changes.write(csv, frame)


def tuned_rates(paths: dict[str, str]) -> dict[tuple[str, str], float]:
    """The tuned rate of every optimiser and stream."""
    from workflow_scripts.optimizers.tune import chosen

    found = {}
    for name, path in paths.items():
        frame = tables.read(path)
        for stream in frame["stream"].unique():
            found[name, str(stream)] = chosen(frame, stream)
    return found


if __name__ == "__main__":
    with job.running(snakemake):
        given, names = snakemake.input, snakemake.params.optimizers
        kinds = {
            kind: dict(zip(names, given[kind], strict=True))
            for kind in ("tuning", "continual", "matched")
        }
        main(
            snakemake.output.table,
            snakemake.output.changes,
            kinds,
            {
                kind: given[kind]
                for kind in ("solutions", "sparsity", "landscape", "linear", "theory")
            },
            tuned_rates(kinds["tuning"]),
            snakemake.params.source,
            provenance=provenance.of(snakemake),
        )
