"""E4: correlation of log-perplexity with accuracy over checkpoints, and where the best one ranks.

Figure 4 has one training and a Pearson r for each test set. Here every training has its r, with a
bootstrap interval over its checkpoints; the pooled r is their mean, with a two-level bootstrap
over trainings and, within each, over checkpoints. Checkpoints of one training follow one another
and are not independent, so that both intervals are on the narrow side.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import seeds
from workflow_scripts.shared.statistics import bootstrap, seed_interval

Array = NDArray[np.float64]
Row = dict[str, Any]


def pearson(x: Array, y: Array, axis: int = -1) -> Array:
    """Pearson's r along `axis`; NaN where either does not vary."""
    x = x - x.mean(axis, keepdims=True)
    y = y - y.mean(axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis) / np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))


def two_level(
    trainings: list[tuple[Array, Array]], resamples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of the mean r over resampled trainings and checkpoints."""
    count = len(trainings)
    chosen = rng.integers(0, count, (resamples, count))
    found = np.empty((resamples, count))
    for number, (x, y) in enumerate(trainings):
        uses = np.argwhere(chosen == number)
        drawn = rng.integers(0, len(x), (len(uses), len(x)))
        found[uses[:, 0], uses[:, 1]] = pearson(x[drawn], y[drawn])
    low, high = np.nanquantile(np.nanmean(found, 1), [0.025, 0.975])
    return float(low), float(high)


def correlations(frame: pd.DataFrame, resamples: int, seed: int) -> list[Row]:
    """r of every training, reading and size, and the mean over trainings."""
    rows: list[Row] = []
    rng = seeds.generator(seed, "perplexity", "correlation")
    for (reading, size), own in frame.groupby(["reading", "size"]):
        trainings = []
        base: Row = {"experiment": "E4", "metric": "correlation", "reading": reading, "size": size}
        for index, run in own.groupby("seed"):
            table = run.pivot(index="step", columns="metric", values="value")
            x, y = table["nats"].to_numpy(), table["accuracy"].to_numpy()
            if np.ptp(x) == 0 or np.ptp(y) == 0:
                continue
            start = seeds.derive(seed, "perplexity", "r", str(reading), str(size), str(index))
            found = bootstrap((x, y), pearson, start, resamples=resamples)
            trainings.append((x, y))
            ends = {"ci_low": found.low, "ci_high": found.high}
            rows.append(base | {"seed": index, "value": found.value, "n": found.n} | ends)
        if not trainings:
            continue
        mean = float(np.mean([pearson(x, y) for x, y in trainings]))
        low, high = two_level(trainings, resamples, rng)
        ends = {"ci_low": min(low, mean), "ci_high": max(high, mean)}
        rows.append(base | {"value": mean, "n": sum(len(x) for x, _ in trainings)} | ends)
    return rows


def share_below(values: Array, at: int) -> float:
    """Share of the other entries that are smaller than entry `at`, ties counted half."""
    others = np.delete(values, at)
    return float((others < values[at]).mean() + 0.5 * (others == values[at]).mean())


def best_ranks(frame: pd.DataFrame) -> list[Row]:
    """Where each training's most accurate checkpoint ranks in log-perplexity and in entropy.

    1: the largest of the training, 0: the least; mean over trainings with Student's interval.
    """
    rows: list[Row] = []
    for (reading, size), own in frame.groupby(["reading", "size"]):
        found: dict[str, list[float]] = {"nats": [], "entropy_nats": []}
        for _, run in own.groupby("seed"):
            table = run.pivot(index="step", columns="metric", values="value")
            best = int(table["accuracy"].to_numpy().argmax())
            for name, ranks in found.items():
                ranks.append(share_below(table[name].to_numpy(), best))
        for name, ranks in found.items():
            mean = seed_interval(ranks)
            row: Row = {"experiment": "E4", "metric": f"best_rank_{name}", "n": mean.n}
            row |= {"reading": reading, "size": size, "value": mean.value}
            rows.append(row | {"ci_low": max(mean.low, 0.0), "ci_high": min(mean.high, 1.0)})
    return rows
