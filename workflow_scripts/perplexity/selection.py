"""Beyond the paper: choosing a checkpoint as a decision (a table and a figure).

Given a pool of checkpoints, each criterion picks one; the pick is a hit when no other of the pool
is more accurate out of distribution, and its regret is the accuracy that the best has over it. A
criterion is taken in distribution, as one would in practice, or out of distribution, as figure 4
does. Pools:
- parity, one reading of the target: some checkpoints of one training, drawn at random many times;
- copiers: one of each encoding, same seed;
- language models: all of the study, on resampled strings.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import criteria
from workflow_scripts.shared import files, job, provenance, seeds, tables
from workflow_scripts.shared.statistics import seed_interval

Row = dict[str, Any]

# What is picked by: the criterion, and whether more of it is better.
CRITERIA = {
    "nats": False,
    "accuracy": True,
    "calibration_error": False,
    "brier": False,
    "long_range_nats": False,
}
CHANCE = "random"
IN, OUT = "in distribution", "out of distribution"


def decide(
    values: pd.DataFrame, target: np.ndarray, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Hit (0 or 1) and regret of each criterion's pick; for `CHANCE` their mean over all picks.

    `values` has a row a candidate and a column a criterion; `target` is each candidate's accuracy
    out of distribution. Ties are broken at random.
    """
    best = target.max()
    order = rng.permutation(len(target))
    found = {CHANCE: (float((target == best).mean()), float(best - target.mean()))}
    for name, more_is_better in CRITERIA.items():
        column = values[name].to_numpy()[order]
        pick = order[column.argmax() if more_is_better else column.argmin()]
        found[name] = (float(target[pick] == best), float(best - target[pick]))
    return found


def averaged(
    decisions: Iterable[dict[str, tuple[float, float]]],
) -> dict[tuple[str, str], float]:
    """Mean hit rate and regret of each criterion over decisions."""
    table = list(decisions)
    return {
        (name, metric): float(np.mean([decision[name][place] for decision in table]))
        for name in table[0]
        for place, metric in enumerate(("hit_rate", "regret"))
    }


def over_trainings(
    pool: str, measured_on: str, trainings: list[dict[tuple[str, str], float]]
) -> list[Row]:
    """Rows with Student's interval over independent trainings."""
    rows = []
    for name, metric in trainings[0]:
        mean = seed_interval([each[name, metric] for each in trainings])
        row: Row = {"pool": pool, "measured_on": measured_on, "criterion": name, "metric": metric}
        # A hit rate lies within [0, 1] and a regret above 0, whatever t says of so few.
        high = min(mean.high, 1.0) if metric == "hit_rate" else mean.high
        ends = {"ci_low": max(mean.low, 0.0), "ci_high": high}
        rows.append(row | {"value": mean.value, "n": mean.n} | ends)
    return rows


def wide(frame: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    return frame.pivot(index=index, columns="metric", values="value")


def parity_rows(
    frame: pd.DataFrame, longest: int, pool: int, pools: int, rng: np.random.Generator
) -> list[Row]:
    rows = []
    furthest = frame["size"].max()
    for reading, own in frame.groupby("reading"):
        for measured_on, size in ((IN, longest), (OUT, furthest)):
            trainings = []
            for _, run in own.groupby("seed"):
                values = wide(run[run["size"] == size], ["step"])
                target = wide(run[run["size"] == furthest], ["step"])["accuracy"].to_numpy()
                count = min(pool, len(target))
                drawn = [rng.choice(len(target), count, replace=False) for _ in range(pools)]
                trainings.append(averaged(decide(values.iloc[d], target[d], rng) for d in drawn))
            rows += over_trainings(f"parity, {reading}", measured_on, trainings)
    return rows


def copier_rows(frame: pd.DataFrame, longest: int, rng: np.random.Generator) -> list[Row]:
    """The encodings against each other, out of distribution on the longer random strings."""
    frame = frame[frame["flip"] == "random"]
    index = ["seed", "encoding"]
    near = wide(frame[frame["size"] == longest], index)
    far = frame[frame["size"] > longest].groupby([*index, "metric"])["value"].mean().unstack()
    rows = []
    for measured_on, values in ((IN, near), (OUT, far)):
        trainings = [
            averaged([decide(values.loc[seed], far.loc[seed]["accuracy"].to_numpy(), rng)])
            for seed in values.index.unique("seed")
        ]
        rows += over_trainings("copiers", measured_on, trainings)
    return rows


def strings_of(steps: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Log-probabilities (R, n, 2) and bits (R, n) of every size."""
    found = []
    for size, own in steps.sort_values(["size", "item", "step"]).groupby("size"):
        shape = (-1, int(str(size)))
        logs = own[["log_zero", "log_one"]].to_numpy().reshape(*shape, 2)
        found.append((logs, own["bit"].to_numpy().reshape(shape)))
    return found


def model_rows(
    frame: pd.DataFrame, trained: list[int], pools: int, floor: float, rng: np.random.Generator
) -> list[Row]:
    """All models of the study against each other; intervals are quantiles over resamples."""
    models = sorted(frame["model"].unique())
    if len(models) < 2:
        return []
    within = frame["size"].isin(trained)
    sides = {IN: frame[within], OUT: frame[~within]}
    parts = {
        (side, model): strings_of(own[own["model"] == model])
        for side, own in sides.items()
        for model in models
    }
    decisions: dict[str, list[dict[str, tuple[float, float]]]] = {IN: [], OUT: []}
    for _ in range(pools):
        measured = {}
        for side in sides:
            # The same strings for every model.
            drawn = [rng.integers(0, len(bits), len(bits)) for _, bits in parts[side, models[0]]]
            measured[side] = pd.DataFrame(
                [_mean_criteria(parts[side, model], drawn, floor) for model in models]
            )
        target = measured[OUT]["accuracy"].to_numpy()
        for side in sides:
            decisions[side].append(decide(measured[side], target, rng))
    rows = []
    for side, table in decisions.items():
        for (name, metric), value in averaged(table).items():
            place = {"hit_rate": 0, "regret": 1}[metric]
            each = [decision[name][place] for decision in table]
            low, high = np.quantile(each, [0.025, 0.975])
            row: Row = {"pool": "language models", "measured_on": side, "criterion": name}
            ends = {"ci_low": min(float(low), value), "ci_high": max(float(high), value)}
            rows.append(row | {"metric": metric, "value": value, "n": len(table)} | ends)
    return rows


def _mean_criteria(
    parts: list[tuple[np.ndarray, np.ndarray]], drawn: list[np.ndarray], floor: float
) -> dict[str, float]:
    """Criteria of resampled strings, each size weighing alike."""
    found = [
        criteria.measure(logs[rows], bits[rows], floor)
        for (logs, bits), rows in zip(parts, drawn, strict=True)
    ]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def main(
    checkpoints: str,
    copies: list[str],
    models: list[str],
    table: str,
    csv: str,
    pool: int,
    pools: int,
    parity_longest: int,
    copying_longest: int,
    trained_sizes: list[int],
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    rng = seeds.generator(seed, "perplexity", "selection")
    copied = pd.concat([tables.read(path) for path in copies], ignore_index=True)
    steps = pd.concat([tables.read(path) for path in models], ignore_index=True)
    rows = [
        *parity_rows(tables.read(checkpoints), parity_longest, pool, pools, rng),
        *copier_rows(copied, copying_longest, rng),
        *model_rows(steps, trained_sizes, pools, floor, rng),
    ]
    frame = pd.DataFrame(rows)
    tables.write(frame, table, provenance=provenance)
    files.write_text(csv, frame.round(4).to_csv(index=False))


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.checkpoints,
            list(snakemake.input.copies),
            list(snakemake.input.models),
            snakemake.output.table,
            snakemake.output.csv,
            params.pool,
            params.pools,
            params.parity_longest,
            params.copying_longest,
            params.trained_sizes,
            params.floor,
            params.seed,
            provenance=provenance.of(snakemake),
        )
