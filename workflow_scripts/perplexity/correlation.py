"""E4: correlation of log-perplexity with accuracy over checkpoints, and where the best one ranks.

Figure 4 has one training and one Pearson r per test set. Here every training has its r, with a
bootstrap interval over its checkpoints; the pooled r is their mean, with a two-level bootstrap
over trainings and, within each, over checkpoints. Checkpoints of one training are successive and
not independent, so both intervals are on the narrow side.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import scores, seeds
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval, bootstrap

Array = NDArray[np.float64]
Statistic = Callable[[Array, Array], Array]  # of (…, checkpoints) twice, over the last axis


def pearson(x: Array, y: Array, axis: int = -1) -> Array:
    """Pearson's r of two arrays of shape (..., n) along `axis`; NaN where either is constant."""
    x = x - x.mean(axis, keepdims=True)
    y = y - y.mean(axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis) / np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))


def two_level(
    statistic: Statistic,
    trainings: list[tuple[Array, Array]],
    resamples: int,
    rng: np.random.Generator,
    n: int,
) -> Interval:
    """Mean of a statistic over trainings, with a two-level bootstrap interval.

    Each training is two columns of shape (checkpoints,). The interval spans the 2.5 and 97.5 %
    quantiles of the mean over resampled trainings with resampled checkpoints; `n` goes with it.
    """
    count = len(trainings)
    chosen = rng.integers(0, count, (resamples, count))
    found = np.empty((resamples, count))
    for number, (x, y) in enumerate(trainings):
        uses = np.argwhere(chosen == number)
        drawn = rng.integers(0, len(x), (len(uses), len(x)))
        found[uses[:, 0], uses[:, 1]] = statistic(x[drawn], y[drawn])
    low, high = np.nanquantile(np.nanmean(found, 1), [0.025, 0.975])
    mean = float(np.mean([statistic(x, y) for x, y in trainings]))
    return Interval(mean, min(float(low), mean), max(float(high), mean), n)


def columns(run: pd.DataFrame, metric: str) -> tuple[Array, Array]:
    """A metric and the accuracy of one training, ascending by step, shape (checkpoints,) each."""
    table = run.pivot(index="step", columns="metric", values="value")
    return table[metric].to_numpy(), table["accuracy"].to_numpy()


def correlations(frame: pd.DataFrame, resamples: int, seed: int) -> list[Row]:
    """r of every training, target and size, and the mean over trainings."""
    rows: list[Row] = []
    rng = seeds.generator(seed, "perplexity", "correlation")
    for (target, size), own in frame.groupby(["target", "size"]):
        trainings = []
        place: Row = {"units": "checkpoints", "target": target, "size": size}
        for index, run in own.groupby("seed"):
            x, y = columns(run, "nats")
            if np.ptp(x) == 0 or np.ptp(y) == 0:
                continue
            start = seeds.derive(seed, "perplexity", "r", str(target), str(size), str(index))
            found = bootstrap((x, y), pearson, start, resamples=resamples)
            trainings.append((x, y))
            rows.append(scores.interval("E4", "correlation", found, seed=index, **place))
        if trainings:
            n = sum(len(x) for x, _ in trainings)
            found = two_level(pearson, trainings, resamples, rng, n)
            rows.append(scores.interval("E4", "correlation", found, **place))
    return rows


def best_rank(values: Array, accuracy: Array) -> Array:
    """Share of the other checkpoints with a smaller value than the most accurate one.

    Both have shape (..., checkpoints). Ties in value count half; of equally accurate checkpoints
    the first is taken.
    """
    best = np.take_along_axis(values, accuracy.argmax(-1)[..., None], -1)
    less = (values < best).sum(-1) + 0.5 * ((values == best).sum(-1) - 1)
    return np.asarray(less / (values.shape[-1] - 1))


def best_ranks(frame: pd.DataFrame, resamples: int, seed: int) -> list[Row]:
    """Rank of each training's most accurate checkpoint in log-perplexity and in entropy.

    1 is the largest of the training, 0 the smallest; mean over trainings, with the same two-level
    bootstrap as the correlation.
    """
    rows: list[Row] = []
    rng = seeds.generator(seed, "perplexity", "ranks")
    for (target, size), own in frame.groupby(["target", "size"]):
        for name in ("nats", "entropy_nats"):
            runs = [columns(run, name) for _, run in own.groupby("seed")]
            found = two_level(best_rank, runs, resamples, rng, len(runs))
            place: Row = {"units": "trainings", "target": target, "size": size}
            rows.append(scores.interval("E4", f"best_rank_{name}", found, **place))
    return rows
