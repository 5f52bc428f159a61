"""Everything the study measured, as one table of scores: one row, one number.

Runs that diverged, or did not reach the wanted loss, are counted and kept out of the means; `n` is
what a mean was taken over. Intervals are over seeds; differences are paired by seed, because all
optimisers share starts, tasks and batches.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.statistics import Interval, seed_interval

WHOLE = ("task", "of_task", "index")
CONDITIONS = [
    *("optimizer", "other", "pair", "stream", "protocol", "state", "rate", "form", "alpha"),
    *("kept", "task", "of_task", "layer", "index", "x", "y", "loss_share", "learning_rate", "time"),
]
REFERENCE = "sgd"
RIVALS = ("sgd", "adam", "adamw")  # every optimiser is set against these, seed by seed
COMPARED = (  # after the last task
    *("average_accuracy", "learned_accuracy", "forgetting", "backward_transfer"),
    *("forward_transfer", "activation_effective_rank", "weight_effective_rank"),
    *("class_cosine_mean", "class_cosine_sd"),
)
BEYOND_BATCHES = ("sharpness", "activation_effective_rank")  # of solutions, as log ratios
Row = dict[str, Any]


def ends(interval: Interval) -> Row:
    low, high = interval.low, interval.high
    return {"value": interval.value, "ci_low": low, "ci_high": high, "n": interval.n}


def pooled(frame: pd.DataFrame, keys: Sequence[str]) -> list[Row]:
    """Mean over seeds of every metric and condition; rows without a value are left out."""
    rows = []
    groups = frame.dropna(subset="value").groupby([*keys, "metric"], dropna=False, sort=False)
    for place, values in groups["value"]:
        names = dict(zip([*keys, "metric"], place, strict=True))
        rows.append(names | ends(seed_interval(values)))
    return rows


def lost(frame: pd.DataFrame, keys: Sequence[str], metric: str, column: str) -> list[Row]:
    """How many runs of each condition were kept out, and of how many."""
    runs = frame[[*keys, "run", column]].drop_duplicates()
    rows = []
    for place, flags in runs.groupby(list(keys), dropna=False, sort=False)[column]:
        count = {"metric": metric, "value": float(flags.sum()), "n": len(flags)}
        rows.append(dict(zip(keys, place, strict=True)) | count)
    return rows


def paired(first: pd.Series, second: pd.Series, metric: str, **place: Any) -> list[Row]:
    """Mean difference over the seeds that both have; nothing where they share none."""
    both = pd.concat([first, second], axis=1, join="inner").dropna()
    if both.empty:
        return []
    return [place | {"metric": metric} | ends(seed_interval(both.iloc[:, 0] - both.iloc[:, 1]))]


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


def at_equal_distance(frame: pd.DataFrame) -> pd.DataFrame:
    """Accuracy lost on the first task when the weights have moved the same distance on the second.

    The distance is the largest that every optimiser reaches: the least, over optimisers, of the
    mean distance at the last look.
    """
    keys = ["optimizer", "seed"]
    plain = frame[(frame["stream"] == "permuted") & (frame["rate"] == "tuned")]
    plain = plain[(plain["protocol"] == "steps") & (plain["state"] == "kept")]
    far = plain[plain["metric"] == "probe_distance"].sort_values("index")
    if far.empty:
        return frame.iloc[:0]
    last = far.groupby(keys)["value"].last()
    common = float(last.groupby("optimizer").mean().min())
    old = plain[(plain["metric"] == "probe_accuracy") & (plain["of_task"] == 1)]
    learned = plain[(plain["metric"] == "task_accuracy") & (plain["of_task"] == 1)]
    learned = learned[learned["task"] == 1].set_index(keys)["value"]
    rows = []
    for key, walked in far.groupby(keys):
        accuracy = old[(old["optimizer"] == key[0]) & (old["seed"] == key[1])].sort_values("index")
        distance = np.maximum.accumulate([0.0, *walked["value"]])
        at = np.interp(common, distance, [learned[key], *accuracy["value"]])
        base = walked.iloc[0][[*keys, "stream", "protocol", "state", "rate"]].to_dict()
        place = {"metric": "forgetting_at_distance", "index": None, "time": common}
        rows.append(base | place | {"value": float(learned[key] - at)})
    return pd.DataFrame(rows)


def continual(frame: pd.DataFrame) -> list[Row]:
    """E1 to E3: means, counts of what diverged, and differences between optimisers."""
    frame = frame.assign(run=frame["seed"])
    condition = ["optimizer", "stream", "protocol", "state", "rate"]
    rows = lost(frame, condition, "diverged_runs", "diverged")
    sound = frame[~frame["diverged"]]
    sound = pd.concat([sound, at_equal_distance(sound)], ignore_index=True)
    rows += pooled(sound, [*condition, "task", "of_task", "layer", "index", "time"])
    final = sound[sound["task"] == sound.groupby("stream")["task"].transform("max")]
    single = pd.concat(
        [
            final[final["metric"].isin(COMPARED)],
            sound[sound["metric"] == "forgetting_at_distance"],
        ]
    )
    single = single[single["layer"].isna() | single["layer"].isin(["layer1", "hidden1"])]
    keys = ["stream", "protocol", "state", "metric", "layer"]
    for place, group in single.groupby(keys, dropna=False, sort=False):
        named = dict(zip(keys, place, strict=True))
        metric = f"{named.pop('metric')}_difference"
        columns = {
            key: values.set_index("seed")["value"]
            for key, values in group.groupby(["optimizer", "rate"], sort=False)
        }
        for (name, rate), values in columns.items():
            for (rival, other_rate), others in columns.items():
                if rate == "tuned" and rival in RIVALS and rival != name:
                    label = rival if other_rate == "tuned" else f"{rival} {other_rate}"
                    base = named | {"optimizer": name, "other": label}
                    rows += paired(values, others, metric, **base)
    return [{"experiment": "continual"} | row for row in rows]


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
        named = dict(zip(keys, place, strict=True))
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
        wide = logs.pivot(index="seed", columns=["order", "optimizer"], values="value").dropna()
        if wide.empty or wide["first"].shape[1] < 2:
            continue
        values = wide["first"].to_numpy()
        pairs = np.triu_indices(values.shape[1], 1)
        between = np.abs(values[:, pairs[0]] - values[:, pairs[1]]).mean(1)
        within = (wide["first"] - wide["second"]).abs().mean(axis=1).to_numpy()
        excess = {"metric": f"{metric}_beyond_batches"} | ends(seed_interval(between - within))
        rows.append(excess)
    return rows


def pairs(frame: pd.DataFrame) -> list[Row]:
    """Function distances and barriers of pairs of solutions, and what optimisers add to them."""
    sound = frame[frame["sound"]]
    rows = pooled(sound, ["pair", "optimizer", "other"])
    distances = sound[sound["metric"] == "function_distance"]
    noise = distances[distances["pair"] == "batches"]
    noise = noise.set_index(["optimizer", "seed"])["value"]
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
    for (form, kept), group in curves.groupby(["form", "kept"]):
        columns = {a: v.set_index("seed")["value"] for a, v in group.groupby("alpha")}
        for alpha, values in columns.items():
            if alpha != 1 and 1 in columns:
                place = {"form": form, "kept": kept, "alpha": alpha}
                rows += paired(values, columns[1], "pruned_accuracy_gain", **place)
    for (alpha, kept), group in curves.groupby(["alpha", "kept"]):
        columns = {f: v.set_index("seed")["value"] for f, v in group.groupby("form")}
        if len(columns) == 2:
            place = {"alpha": alpha, "kept": kept}
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
    rows = exact.to_dict("records")
    keys = ["optimizer", "alpha", "learning_rate"]
    rows += [{"experiment": "theory"} | row for row in pooled(by_seed, keys)]
    gaps = by_seed[by_seed["metric"] == "path_gap"]
    for alpha, group in gaps.groupby("alpha"):
        wide = group.pivot(index="learning_rate", columns="seed", values="value").sort_index()
        small = np.log(wide.iloc[:2])  # the two smallest rates: the limit is what is asked for
        step = np.diff(np.log(wide.index[:2]))[0]
        orders = (small.iloc[1] - small.iloc[0]) / step
        order = {"experiment": "theory", "alpha": alpha, "metric": "path_gap_order"}
        rows.append(order | ends(seed_interval(orders)))
    return [{str(key): value for key, value in row.items()} for row in rows]


def landscape(frame: pd.DataFrame) -> list[Row]:
    rows = frame.assign(experiment=frame["part"]).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def main(
    table: str,
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
            kinds,
            {
                kind: given[kind]
                for kind in ("solutions", "sparsity", "landscape", "linear", "theory")
            },
            tuned_rates(kinds["tuning"]),
            snakemake.params.source,
            provenance=provenance.of(snakemake),
        )
