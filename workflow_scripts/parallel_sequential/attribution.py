"""The share of the gap that repeats explain: a counterfactual.

Chains are rebuilt from the parallel attempts. In a rebuilt chain an attempt copies an earlier one
as often as the sequential chains repeat themselves beyond chance; otherwise it stays as it was.
Such chains differ from the parallel sets by repeats alone, so the accuracy that they lose is the
part of the gap that repeats explain. The rest of the gap comes from worse fresh attempts.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential.metrics import ANY, MAJORITY, Sets

Array = NDArray[Any]

RATES = np.linspace(0, 1, 11)  # copy rates at which chains are rebuilt
SHARES = np.linspace(0, 1, 3)  # shares of the copies that copy the attempt just before
REBUILT = 40  # chains rebuilt from each parallel set, at each rate and share


def equal(answers: Array, others: Array) -> Array:
    """Which answers agree: (..., N, M) from (..., N) and (..., M); no answer agrees with none."""
    return (answers[..., :, None] == others[..., None, :]) & (answers != "")[..., :, None]


def repeats(sequential: Sets, parallel: Sets) -> Array:
    """Sums over the later attempts of each question, shape (Q, 5), that give the copy rate.

    An attempt that copies with probability c and is fresh otherwise repeats an earlier answer with
    probability c + (1 - c) f, where f is the chance that a fresh attempt does. f is measured on the
    attempts of the other chains at the same place: they are as good and as long, but have not seen
    this chain. With one chain it is measured on the parallel attempts. The columns are the sums of
    s - f and 1 - f (any earlier answer; s is 1 for a repeat), and of s - f, 1 - f and u - f for the
    previous answer only, where u is the share of the earlier attempts that agree with it.
    """
    answers = sequential.answers
    chains, attempts = answers.shape[1:]
    sums = np.zeros((len(answers), 5))
    for k in range(1, attempts):
        for chain in range(chains):
            earlier = answers[:, chain, :k]
            others = [each for each in range(chains) if each != chain]
            fresh = answers[:, others, k] if others else parallel.answers.reshape(len(answers), -1)
            agree = equal(fresh, earlier)  # (Q, fresh attempts, k)
            own = equal(answers[:, chain, k : k + 1], earlier)[:, 0]
            previous = earlier[:, -1:]
            among = equal(previous, earlier)[:, 0].mean(-1)
            f, f_last = agree.any(-1).mean(-1), agree[..., -1].mean(-1)
            shown, shown_last = (earlier != "").any(-1), previous[:, 0] != ""
            sums[:, 0] += shown * (own.any(-1) - f)
            sums[:, 1] += shown * (1 - f)
            sums[:, 2] += shown_last * (own[:, -1] - f_last)
            sums[:, 3] += shown_last * (1 - f_last)
            sums[:, 4] += shown_last * (among - f_last)
    return sums


def copying(any_excess: Array, any_room: Array, excess: Array, room: Array, spread: Array) -> Any:
    """The copy rate and the share of copies that copy the attempt just before.

    The arguments are the columns of `repeats`, summed over questions, of any one shape, which the
    results have too. A copy that is not of the
    attempt just before is of any earlier attempt, drawn uniformly. The rate is in [-1, 1]: below 0
    there are fewer repeats than by chance. The share is in [0, 1].
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.clip(np.nan_to_num(any_excess / any_room), -1, 1)
        share = (excess / rate - spread) / (room - spread)
    return rate, np.clip(np.nan_to_num(share, nan=1.0, posinf=1.0, neginf=0.0), 0, 1)


def sources(usable: Array, rate: float, share: float, rng: np.random.Generator) -> Array:
    """For each attempt of a rebuilt chain the attempt whose answer it gives: (..., N).

    `usable` (..., N) says which attempts have an answer; the others are not copied. The number of
    draws does not depend on `rate` and `share`, so equal generators give comparable chains.
    """
    shape = usable.shape
    copied, last, which = rng.random((3, *shape))
    found = np.broadcast_to(np.arange(shape[-1]), shape).copy()
    for k in range(1, shape[-1]):
        target = np.where(last[..., k] < share, k - 1, (which[..., k] * k).astype(int))
        source = np.take_along_axis(found, target[..., None], -1)
        seen = np.take_along_axis(usable, source, -1)
        copies = (copied[..., k, None] < rate) & seen
        found[..., k] = np.where(copies, source, k)[..., 0]
    return found


def majority(same: Array, correct: Array) -> Array:
    """Correctness of the majority, (...); ties are averaged, and a set without answers is 0.

    `same` (..., N, N) says which attempts agree, `correct` (..., N) which are right; an answer that
    cannot be read (NaN) does not vote.
    """
    votes = same.sum(-1)
    most = votes.max(-1, keepdims=True)
    leading = (votes == most) & (most > 0)
    # All leading answers have the same number of votes, so their mean is that of their attempts.
    return np.where(leading, correct, 0).sum(-1) / np.maximum(leading.sum(-1), 1)


def any_right(_: Array, correct: Array) -> Array:
    """Whether any of a set is right: (...) from `correct`, shape (..., N)."""
    return np.nan_to_num(correct).max(-1)


OUTCOMES: dict[str, Callable[[Array, Array], Array]] = {MAJORITY: majority, ANY: any_right}


def accuracy(sets: Sets, aggregator: str) -> Array:
    """Accuracy of whole sets by question, averaged over chains: (Q,)."""
    return OUTCOMES[aggregator](equal(sets.answers, sets.answers), sets.correct).mean(1)


def rebuilt(parallel: Sets, aggregator: str, seed: int) -> Array:
    """Accuracy of rebuilt chains, shape (Q, rates, shares), at each of `RATES` and `SHARES`."""
    same = equal(parallel.answers, parallel.answers)
    shape = (REBUILT, *parallel.answers.shape)
    usable = np.broadcast_to(parallel.answers != "", shape)
    found = np.empty((len(parallel.questions), RATES.size, SHARES.size))
    for i, rate in enumerate(RATES):
        for j, share in enumerate(SHARES):
            at = sources(usable, rate, share, np.random.default_rng(seed))
            right = np.take_along_axis(np.broadcast_to(parallel.correct, shape), at, -1)
            pairs = np.broadcast_to(same, (*shape, shape[-1]))
            pairs = np.take_along_axis(pairs, at[..., None], -2)
            pairs = np.take_along_axis(pairs, at[..., None, :], -1)
            found[:, i, j] = OUTCOMES[aggregator](pairs, right).mean((0, 2))
    return found


def columns(parallel: Sets, sequential: Sets, aggregator: str, seed: int) -> tuple[Array, ...]:
    """Columns (Q,) for `explained`: repeats, the accuracies of both arms, and rebuilt chains."""
    direct = [accuracy(sets, aggregator) for sets in (parallel, sequential)]
    grid = rebuilt(parallel, aggregator, seed).reshape(len(parallel.questions), -1)
    return (*repeats(sequential, parallel).T, *direct, *grid.T)


RESULTS = ("copy_rate", "copies_of_previous", "gap_explained", "gap_explained_share")
LARGEST = 5.0  # a share of a gap near 0 is cut at plus and minus this


def explained(*given: Array, axis: int = 0) -> Array:
    """`RESULTS`, shape (4, ...), from `columns`, each reduced over `axis`.

    `gap_explained` is the accuracy of the parallel sets minus that of the rebuilt chains at the
    measured copy rate; its share is that of the gap between the two arms.
    """
    rate, share = copying(*(column.sum(axis) for column in given[:5]))
    parallel, sequential = (column.mean(axis) for column in given[5:7])
    grid = np.stack([column.mean(axis) for column in given[7:]], -1)
    grid = grid.reshape(*grid.shape[:-1], RATES.size, SHARES.size)
    remains = np.zeros(rate.shape)
    for i, weight in _weights(rate, RATES):
        row = np.take_along_axis(grid, i[..., None, None], -2)[..., 0, :]
        for j, other in _weights(share, SHARES):
            remains = remains + weight * other * np.take_along_axis(row, j[..., None], -1)[..., 0]
    gain, gap = parallel - remains, parallel - sequential
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(gap > 0, gain / gap, np.sign(gain) * LARGEST)
    return np.stack([rate, share, gain, np.clip(part, -LARGEST, LARGEST)])


def _weights(values: Array, nodes: Array) -> list[tuple[Array, Array]]:
    """Linear interpolation: the nodes below and above each value, with weights, like `values`.

    Below the first node the line of the first two goes on, so that a copy rate that is 0 up to
    chance is not rounded up.
    """
    place = np.asarray(values) * (nodes.size - 1)
    below = np.clip(np.floor(place).astype(int), 0, nodes.size - 2)
    return [(below, 1 - (place - below)), (below + 1, place - below)]


def statistic(which: str) -> Callable[..., Array]:
    """One of `RESULTS` as a statistic for the bootstrap, of `columns` with an axis to reduce."""
    at = RESULTS.index(which)

    def of(*given: Array, axis: int = 0) -> Array:
        return explained(*given, axis=axis)[at]

    return of
