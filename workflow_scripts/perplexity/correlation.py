"""E4: correlation of log-perplexity with accuracy over checkpoints, and where the best one ranks.

Figure 4 has one training and a Pearson r for each test set. Here every training has its r, with a
bootstrap interval over its checkpoints; the pooled r is their mean, with a two-level bootstrap
over trainings and, within each, over checkpoints. Checkpoints of one training follow one another
and are not independent, so that both intervals are on the narrow side.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import seeds
from workflow_scripts.shared.statistics import bootstrap

Array = NDArray[np.float64]
Row = dict[str, Any]


def pearson(x: Array, y: Array, axis: int = -1) -> Array:
    """Pearson's r along `axis`; NaN where either does not vary."""
    x = x - x.mean(axis, keepdims=True)
    y = y - y.mean(axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis) / np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))


Statistic = Callable[[Array, Array], Array]  # of (…, checkpoints) twice, over the last axis


def two_level(
    statistic: Statistic,
    trainings: list[tuple[Array, Array]],
    resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of a statistic's mean over resampled trainings, each with
    resampled checkpoints; `trainings` holds two columns of each."""
    count = len(trainings)
    chosen = rng.integers(0, count, (resamples, count))
    found = np.empty((resamples, count))
    for number, (x, y) in enumerate(trainings):
        uses = np.argwhere(chosen == number)
        drawn = rng.integers(0, len(x), (len(uses), len(x)))
        found[uses[:, 0], uses[:, 1]] = statistic(x[drawn], y[drawn])
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
        low, high = two_level(pearson, trainings, resamples, rng)
        ends = {"ci_low": min(low, mean), "ci_high": max(high, mean)}
        rows.append(base | {"value": mean, "n": sum(len(x) for x, _ in trainings)} | ends)
    return rows


def best_rank(values: Array, accuracy: Array) -> Array:
    """Share of the other checkpoints with a smaller value than the most accurate one has.

    Both (…, checkpoints); ties in value count half, and of equally accurate ones the first is
    taken.
    """
    best = np.take_along_axis(values, accuracy.argmax(-1)[..., None], -1)
    less = (values < best).sum(-1) + 0.5 * ((values == best).sum(-1) - 1)
    return np.asarray(less / (values.shape[-1] - 1))


def best_ranks(frame: pd.DataFrame, resamples: int, seed: int) -> list[Row]:
    """Where each training's most accurate checkpoint ranks in log-perplexity and in entropy.

    1: the largest of the training, 0: the least; mean over trainings with the same two-level
    bootstrap as the correlation.
    """
    rows: list[Row] = []
    rng = seeds.generator(seed, "perplexity", "ranks")
    for (reading, size), own in frame.groupby(["reading", "size"]):
        runs = [
            run.pivot(index="step", columns="metric", values="value")
            for _, run in own.groupby("seed")
        ]
        for name in ("nats", "entropy_nats"):
            columns = [(run[name].to_numpy(), run["accuracy"].to_numpy()) for run in runs]
            mean = float(np.mean([best_rank(*pair) for pair in columns]))
            low, high = two_level(best_rank, columns, resamples, rng)
            row: Row = {"experiment": "E4", "metric": f"best_rank_{name}", "n": len(runs)}
            row |= {"reading": reading, "size": size, "value": mean}
            rows.append(row | {"ci_low": min(low, mean), "ci_high": max(high, mean)})
    return rows
