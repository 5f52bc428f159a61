"""Beyond the paper: choosing a checkpoint as a decision (a table and a figure).

From a pool of checkpoints each criterion picks one. The pick is a hit if no other checkpoint of the
pool is more accurate out of distribution; its regret is the accuracy that the best one has over it.
A criterion is measured in distribution, as one would in practice, or out of distribution, as in
figure 4. A regret is at least 0 whatever the criterion, so claims read the regret less that of a
random choice. Pools:
- parity, one target: some checkpoints of one training, drawn at random many times;
- copiers: one per encoding, same seed;
- language models: all of the study, on resampled strings.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import correlation, metrics
from workflow_scripts.shared import files, job, scores, seeds, tables
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval, seed_interval

Decision = dict[tuple[str, str], float]  # (criterion, hit_rate or regret) -> value

# Each criterion, and whether more of it is better.
CRITERIA = {
    "nats": False,
    "accuracy": True,
    "calibration_error": False,
    "brier": False,
    "long_range_nats": False,
}
CHANCE = "random"
IN, OUT = "in distribution", "out of distribution"
CSV_COLUMNS = ["pool", "measured_on", "criterion", "metric", "value", "n", "ci_low", "ci_high"]


def decide(values: pd.DataFrame, target: np.ndarray, rng: np.random.Generator) -> Decision:
    """Hit (0 or 1) and regret of each criterion's pick; for `CHANCE` their mean over all picks.

    `values` has a row per candidate and a column per criterion; `target`, shape (candidates,), is
    the accuracy out of distribution. Ties are broken at random.
    """
    best = target.max()
    order = rng.permutation(len(target))
    found = {(CHANCE, "hit_rate"): float((target == best).mean())}
    found[CHANCE, "regret"] = float(best - target.mean())
    for name, more_is_better in CRITERIA.items():
        column = values[name].to_numpy()[order]
        pick = order[column.argmax() if more_is_better else column.argmin()]
        found[name, "hit_rate"] = float(target[pick] == best)
        found[name, "regret"] = float(best - target[pick])
    return found


def averaged(decisions: Iterable[Decision]) -> Decision:
    """Mean hit rate and regret of each criterion over decisions."""
    table = list(decisions)
    return {key: float(np.mean([decision[key] for decision in table])) for key in table[0]}


def over_trainings(
    pool: str, measured_on: str, trainings: list[Decision], able: list[bool] | None = None
) -> list[Row]:
    """Rows with Student's interval over independent trainings.

    `able` marks the trainings that enter the regret less that of a random choice: all by default.
    """
    rows = []
    for name, metric in trainings[0]:
        place: Row = {"pool": pool, "measured_on": measured_on, "criterion": name}
        place["units"] = "trainings"
        values = [each[name, metric] for each in trainings]
        if metric == "hit_rate":
            rows.append(scores.mean("selection", metric, values, bounds=(0.0, 1.0), **place))
            continue
        # The bound 1 would say that an unseen training could lose all accuracy.
        found = seed_interval(values)
        found = found._replace(low=float(np.maximum(found.low, 0.0)))
        rows.append(scores.interval("selection", metric, found, **place))
        if name == CHANCE:
            continue
        less = [each[name, metric] - each[CHANCE, metric] for each in trainings]
        kept = [value for value, ok in zip(less, able or [True] * len(less), strict=True) if ok]
        if kept:
            rows.append(scores.mean("selection", "regret_over_random", kept, **place))
    return rows


def wide(frame: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    """The frame with a column per metric."""
    return frame.pivot(index=index, columns="metric", values="value")


def parity_rows(
    frame: pd.DataFrame, longest: int, pool: int, pools: int, rng: np.random.Generator
) -> list[Row]:
    """Pools of `pool` checkpoints of one training, `pools` of them per training and target.

    A training whose checkpoints are all at chance out of distribution has nothing to choose there
    and does not enter the comparison with a random choice.
    """
    rows = []
    furthest = frame["size"].max()
    for target_name, own in frame[frame["target"] != correlation.WHOLE].groupby("target"):
        for measured_on, size in ((IN, longest), (OUT, furthest)):
            trainings, able = [], []
            for _, run in own.groupby("seed"):
                able.append(correlation.leaves_chance(run[run["size"] == furthest]))
                values = wide(run[run["size"] == size], ["step"])
                target = wide(run[run["size"] == furthest], ["step"])["accuracy"].to_numpy()
                count = min(pool, len(target))
                drawn = [rng.choice(len(target), count, replace=False) for _ in range(pools)]
                trainings.append(averaged(decide(values.iloc[d], target[d], rng) for d in drawn))
            rows += over_trainings(f"parity, {target_name}", measured_on, trainings, able)
    return rows


def copier_rows(frame: pd.DataFrame, longest: int, rng: np.random.Generator) -> list[Row]:
    """The encodings against each other; out of distribution are the longer random strings."""
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


def model_rows(
    frame: pd.DataFrame, trained: list[int], pools: int, floor: float, rng: np.random.Generator
) -> list[Row]:
    """All models of the study against each other; intervals are quantiles over resamples.

    `n` counts the strings of the smallest size. Where all resamples agree there is no interval.
    """
    models = sorted(frame["model"].unique())
    if len(models) < 2:
        return []
    within = frame["size"].isin(trained)
    sides = {IN: frame[within], OUT: frame[~within]}
    parts = {
        (side, model): list(metrics.strings_of(own[own["model"] == model]).values())
        for side, own in sides.items()
        for model in models
    }
    strings = min(len(bits) for own in parts.values() for _, bits in own)
    decisions: dict[str, list[Decision]] = {IN: [], OUT: []}
    for _ in range(pools):
        measured = {}
        for side in sides:
            # The same strings for every model.
            drawn = [rng.integers(0, len(bits), len(bits)) for _, bits in parts[side, models[0]]]
            measured[side] = pd.DataFrame(
                [_mean_metrics(parts[side, model], drawn, floor) for model in models]
            )
        target = measured[OUT]["accuracy"].to_numpy()
        for side in sides:
            decisions[side].append(decide(measured[side], target, rng))
    rows = []
    for side, table in decisions.items():
        for (name, metric), value in averaged(table).items():
            low, high = np.quantile([each[name, metric] for each in table], [0.025, 0.975])
            ends = (min(float(low), value), max(float(high), value))
            if ends[0] == ends[1]:
                ends = (np.nan, np.nan)
            found = Interval(value, *ends, strings)
            place: Row = {"pool": "language models", "measured_on": side, "criterion": name}
            rows.append(scores.interval("selection", metric, found, units="strings", **place))
    return rows


def _mean_metrics(
    parts: list[tuple[np.ndarray, np.ndarray]], drawn: list[np.ndarray], floor: float
) -> dict[str, float]:
    """Metrics of resampled strings, averaged over sizes; shapes as in `strings_of`."""
    found = [
        metrics.of_predictions(logs[rows], bits[rows], floor)
        for (logs, bits), rows in zip(parts, drawn, strict=True)
    ]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def main(
    copies: list[str],
    checkpoints: str,
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
    """Write hit rates and regrets of all pools to `table`, and rounded to `csv`."""
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
    files.write_text(csv, frame[CSV_COLUMNS].round(4).to_csv(index=False))


if __name__ == "__main__":
    job.run(snakemake, main)
