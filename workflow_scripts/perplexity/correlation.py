"""E4: correlation of log-perplexity with accuracy over checkpoints, and where the best one ranks.

Figure 4 has one training and one Pearson r per test set. Here every training has its r; successive
checkpoints are not independent, so intervals are Student's t over trainings. A training whose
checkpoints are all at chance has no r: accuracy and perplexity then vary with the draw of the test
strings only, and together.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row

Array = NDArray[np.float64]

WHOLE = "prefix, whole string"  # target `prefix` over all bits, those of trained sizes included
CHANCE = 0.5  # accuracy of a guess
LEVEL = 0.05  # of the test against chance, over all checkpoints of a training


def pearson(x: Array, y: Array, axis: int = -1) -> Array:
    """Pearson's r of two arrays of shape (..., n) along `axis`; NaN where either is constant."""
    x = x - x.mean(axis, keepdims=True)
    y = y - y.mean(axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(axis) / np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))


def columns(run: pd.DataFrame, metric: str) -> tuple[Array, Array]:
    """A metric and the accuracy of one training, ascending by step, shape (checkpoints,) each."""
    table = run.pivot(index="step", columns="metric", values="value")
    return table[metric].to_numpy(), table["accuracy"].to_numpy()


def leaves_chance(run: pd.DataFrame) -> bool:
    """Whether some checkpoint of a training is more accurate than a guess.

    One-sided t-test of the accuracy over test strings, from its 95 % interval, with Bonferroni's
    correction over checkpoints.
    """
    from scipy import stats

    own = run[run["metric"] == "accuracy"]
    value, n = own["value"].to_numpy(float), own["n"].to_numpy(float)
    ends = own[["ci_low", "ci_high"]].to_numpy(float)
    half = np.fmax(value - ends[:, 0], ends[:, 1] - value)  # one end may be clipped to 0 or 1
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (value - CHANCE) / half * stats.t.ppf(0.975, n - 1)
    return bool((stats.t.sf(statistic, n - 1) < LEVEL / len(own)).any())


def correlations(frame: pd.DataFrame) -> list[Row]:
    """r of every training, target and size; its mean over the trainings that leave chance."""
    rows: list[Row] = []
    for (target, size), own in frame.groupby(["target", "size"]):
        place: Row = {"target": target, "size": size}
        found, able = [], 0
        for index, run in own.groupby("seed"):
            x, y = columns(run, "nats")
            above = leaves_chance(run)
            able += above
            if np.ptp(x) == 0 or np.ptp(y) == 0:
                continue
            r = float(pearson(x, y))
            single: Row = {"units": "checkpoints", "seed": index}
            rows.append(scores.number("E4", "correlation", r, len(x), **single, **place))
            found += [r] * above
        place["units"] = "trainings"
        count = own["seed"].nunique()
        rows.append(scores.exact("E4", "trainings_above_chance", able, count, **place))
        if found:
            rows.append(scores.mean("E4", "correlation", found, bounds=(-1.0, 1.0), **place))
    return rows


def best_rank(values: Array, accuracy: Array) -> Array:
    """Share of the other checkpoints with a smaller value than the most accurate one.

    Both have shape (..., checkpoints). Ties in value count half; of equally accurate checkpoints
    the first is taken.
    """
    best = np.take_along_axis(values, accuracy.argmax(-1)[..., None], -1)
    less = (values < best).sum(-1) + 0.5 * ((values == best).sum(-1) - 1)
    return np.asarray(less / (values.shape[-1] - 1))


def best_ranks(frame: pd.DataFrame) -> list[Row]:
    """Rank of each training's most accurate checkpoint in log-perplexity and in entropy.

    1 is the largest of the training, 0 the smallest; mean over the trainings that leave chance.
    """
    rows: list[Row] = []
    for (target, size), own in frame.groupby(["target", "size"]):
        runs = [run for _, run in own.groupby("seed") if leaves_chance(run)]
        place: Row = {"units": "trainings", "target": target, "size": size}
        for name in ("nats", "entropy_nats"):
            if ranks := [float(best_rank(*columns(run, name))) for run in runs]:
                rows.append(
                    scores.mean("E4", f"best_rank_{name}", ranks, bounds=(0.0, 1.0), **place)
                )
    return rows
