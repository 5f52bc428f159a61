"""Scores of edited prompts: errors against the distance of log-perplexity, with controls.

Intervals are over base prompts: the edits of one prompt are not independent.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.perplexity.curves import SMALLEST
from workflow_scripts.perplexity.edited_answers import SCORES
from workflow_scripts.perplexity.edits import CHANGE, CONTROL, COPIES, KINDS
from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval, bootstrap, seed_interval

Array = NDArray[np.float64]

PERPLEXITIES = ("right", "given", "prompt")  # of SCORES, those with a curve
SHARE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
CHANCE = 0.5  # area under the curve of a score that tells nothing
FEWEST_SIZES = 3  # of a slope
ROUNDING = 1.0e-5  # of float32 probabilities in a bound
ITEM = ["size", "item"]  # a base prompt of one task


def distance(frame: pd.DataFrame, score: str) -> pd.Series:
    """How far an edit moves a score, nats, (edits,)."""
    return (frame[f"{score}_after"] - frame[f"{score}_before"]).abs()


def rows(frame: pd.DataFrame, stated: float, distances: Sequence[float], seed: int) -> list[Row]:
    """All scores of one model's edits, as `blind_spots.edit_rows` gives them.

    `stated` is the distance in nats up to which a wrong answer is a blind spot, `distances` those
    of the curve. Each task is scored as a whole and by size.
    """
    found: list[Row] = []
    if frame.empty:
        return found
    for task, own in frame.groupby("task", sort=False):
        found += _rows(own, stated, distances, seed, PERPLEXITIES, task=task)
        found += slopes(own, seed, task=task)
        found += areas(own[own["edit"] == CHANGE], seed, task=task)
        for size, each in own.groupby("size"):
            found += _rows(each, stated, distances, seed, PERPLEXITIES[:1], task=task, size=size)
            found += at_size(each, task=task, size=size)
    return found


def _rows(
    own: pd.DataFrame,
    stated: float,
    distances: Sequence[float],
    seed: int,
    curves: Sequence[str],
    **place: Any,
) -> list[Row]:
    """Errors, curves and blind spots of the edits of one task, or of one of its sizes."""
    found: list[Row] = []
    for kind in KINDS:
        each = own[own["edit"] == kind]
        if each.empty:
            continue
        here = place | {"edit": kind, "units": "prompts"}
        found.append(scores.interval("blind", "wrong", wrong(each, seed), **here))
        for score in curves:
            apart = distance(each, score)
            for limit in distances:
                near = each[apart <= limit]
                if len(near):
                    at = here | {"score": score, "distance": limit}
                    found.append(scores.interval("blind", "wrong_within", wrong(near, seed), **at))
    near = own[distance(own, "right") <= stated]
    at = place | {"score": "right", "distance": stated, "units": "prompts"}
    if set(near["edit"]) == set(KINDS):
        found.append(scores.interval("blind", "excess_within", excess(near, seed), **at))
    changed = own[own["edit"] == CHANGE]
    if changed.empty:
        return found
    spots = changed[changed["wrong"] & (distance(changed, "right") <= stated)]
    prompts, blind = (len(each.groupby(ITEM)) for each in (changed, spots))
    found.append(scores.share("blind", "prompt_blind", blind, prompts, **at))
    counted = at | {"units": "edits"}
    found.append(scores.exact("blind", "blind_spots", len(spots), len(changed), **counted))
    return found


def at_size(own: pd.DataFrame, **place: Any) -> list[Row]:
    """The distance of wrong answers to changed prompts of one size, and the bound of the lemma."""
    changed = own[own["edit"] == CHANGE]
    other = own["other"].groupby([own["size"], own["item"]]).mean()
    here = place | {"units": "prompts"}
    found = [scores.mean("blind", "other_token_share", other, bounds=SHARE, **here)]
    bad = changed[changed["wrong"]]
    if len(bad):
        apart = distance(bad, "right")
        edits = place | {"units": "edits", "score": "right"}
        found.append(scores.exact("blind", "least_distance", apart.min(), len(bad), **edits))
        mean = seed_interval(middle(bad).to_numpy())
        value, low, high = np.exp(mean[:3]).tolist()
        middles = Interval(value, low, high, mean.n)
        found.append(scores.interval("blind", "wrong_distance", middles, score="right", **here))
    held = changed[changed["bound"].notna()]
    if len(held):
        edits = place | {"units": "edits"}
        broken = int((distance(held, "right") > held["bound"] + ROUNDING).sum())
        found.append(scores.exact("blind", "bound_broken", broken, len(held), **edits))
        # The tolerance of continuity at this size is the largest gap there.
        found.append(scores.exact("blind", "gap", held["gap"].max(), len(held), **edits))
        found.append(scores.exact("blind", "bound", held["bound"].max(), len(held), **edits))
    return found


def middle(bad: pd.DataFrame) -> pd.Series:
    """The logarithm of the median distance of the wrong answers of each base prompt, by `ITEM`."""
    apart = np.log(distance(bad, "right").clip(lower=SMALLEST))
    return apart.groupby([bad[name] for name in ITEM]).median()


def slopes(own: pd.DataFrame, seed: int, **place: Any) -> list[Row]:
    """Log-log slope of the distance of wrong answers against the size, over base prompts.

    Of copies only: an answer of one symbol is averaged over nothing.
    """
    bad = own[(own["edit"] == CHANGE) & own["wrong"]]
    if bad.empty or place["task"] not in COPIES or bad["size"].nunique() < FEWEST_SIZES:
        return []
    values = middle(bad)
    sizes = np.log(values.index.get_level_values("size").to_numpy(float))
    found = bootstrap((sizes, values.to_numpy()), _slope, seed)
    return [scores.interval("blind", "slope", found, score="right", units="prompts", **place)]


def _slope(x: Array, y: Array, axis: int) -> Array:
    """Least-squares slope of `y` on `x` along an axis; 0 where all `x` are equal."""
    x = x - x.mean(axis, keepdims=True)
    spread = (x * x).sum(axis)
    return np.asarray((x * y).sum(axis) / np.where(spread > 0, spread, 1.0))


def _clusters(own: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The edits of each base prompt."""
    for _, each in own.groupby(ITEM):
        yield each


def wrong(own: pd.DataFrame, seed: int) -> Interval:
    """Share of edits that are answered wrongly; bootstrap over base prompts."""
    counts = np.array([(each["wrong"].sum(), len(each)) for each in _clusters(own)], dtype=float)
    return bootstrap((counts[:, 0], counts[:, 1]), _ratio, seed, bounds=SHARE)


def _ratio(hits: Array, total: Array, axis: int) -> Array:
    return np.asarray(hits.sum(axis) / total.sum(axis))


def excess(own: pd.DataFrame, seed: int) -> Interval:
    """`wrong` of changed prompts less that of controls; bootstrap over base prompts."""
    kinds = [
        [
            (part["wrong"].sum(), len(part))
            for kind in (CHANGE, CONTROL)
            for part in [each[each["edit"] == kind]]
        ]
        for each in _clusters(own)
    ]
    columns = np.array(kinds, dtype=float).reshape(len(kinds), 4).T

    def statistic(hits: Array, total: Array, other: Array, others: Array, axis: int) -> Array:
        # A resample without any edit of a kind says nothing of it.
        rates = [
            np.where(n.sum(axis) > 0, h.sum(axis) / np.maximum(n.sum(axis), 1), CHANCE)
            for h, n in ((hits, total), (other, others))
        ]
        return np.asarray(rates[0] - rates[1])

    return bootstrap(tuple(columns), statistic, seed, bounds=DIFFERENCE)


def areas(changed: pd.DataFrame, seed: int, **place: Any) -> list[Row]:
    """Areas under the curve by which each score tells right from wrong answers to edits.

    1 where every wrong answer has a higher score than every right one. `auc_gain` is that of the
    least likely symbol less that of log-perplexity, of the answer given (`given`) and of the right
    answer (`right`), of copies: in answers of one symbol they are equal. No rows where all answers
    are right, or all are wrong.
    """
    if changed["wrong"].nunique() < 2:
        return []
    clusters = [each["wrong"].to_numpy(bool) for each in _clusters(changed)]
    pairs = {
        score: _pairs(clusters, [each[f"{score}_after"].to_numpy() for each in _clusters(changed)])
        for score in SCORES
    }
    index = np.arange(len(clusters), dtype=float)
    here = place | {"units": "prompts"}
    found = []
    for score in SCORES:
        area = bootstrap((index,), _area(pairs[score]), seed, bounds=SHARE)
        found.append(scores.interval("blind", "auc", area, score=score, **here))
    if place["task"] not in COPIES:
        return found
    for score in ("given", "right"):
        ahead, count = pairs[f"least_{score}"]
        apart = (ahead - pairs[score][0], count)
        gain = bootstrap((index,), _area(apart, empty=0.0), seed, bounds=DIFFERENCE)
        found.append(scores.interval("blind", "auc_gain", gain, score=score, **here))
    return found


def _pairs(outcomes: Sequence[NDArray], values: Sequence[Array]) -> tuple[Array, Array]:
    """Pairs of a right answer of one base prompt and a wrong one of another, (prompts, prompts).

    How many have the higher score at the wrong answer, ties half, and how many there are.
    """
    size = len(outcomes)
    ahead, count = np.zeros((size, size)), np.zeros((size, size))
    for i in range(size):
        right = values[i][~outcomes[i]][:, None]
        for j in range(size):
            bad = values[j][outcomes[j]][None]
            ahead[i, j] = (bad > right).sum() + 0.5 * (bad == right).sum()
            count[i, j] = right.size * bad.size
    return ahead, count


def _area(pairs: tuple[Array, Array], empty: float = CHANCE) -> Callable[..., Array]:
    """The area as a statistic of resampled base prompts, `empty` where they have no pair."""
    ahead, count = pairs

    def statistic(index: Array, axis: int) -> Array:
        chosen = np.moveaxis(np.asarray(index, dtype=int), axis, -1)
        times = (chosen[..., None] == np.arange(len(ahead))).sum(-2).astype(float)
        won, all_pairs = (
            np.einsum("...i,ij,...j->...", times, each, times, optimize=True)
            for each in (ahead, count)
        )
        return np.asarray(np.where(all_pairs > 0, won / np.maximum(all_pairs, 1e-30), empty))

    return statistic
