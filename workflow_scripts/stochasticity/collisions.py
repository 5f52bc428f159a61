"""How often agents that choose at random choose alike, from laws and from draws.

All agents answer the same prompt with noise of their own, so given the prompt their answers are
independent. A law has shape (K,), counts of draws have shape (K,), tables of prompts (X, K). From
draws, each estimate is the mean of its quantity over all sets of k different draws (a U-statistic,
Hoeffding 1948), so it has no bias.

A law with a share `slack` of its mass unresolved may be any mixture of it and another law with a
weight of at most `slack` on the other: the bounds hold for all of these.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from workflow_scripts.shared.statistics import DUST, Interval

LEVEL = 0.95
NORMAL = float(stats.norm.ppf((1 + LEVEL) / 2))


def match(first: NDArray, second: NDArray, slacks: tuple[float, float]) -> tuple[float, ...]:
    """Probability that a draw of each of two laws, shape (K,), is the same: value, low, high.

    With the same law twice, the collision probability of two agents of one model.
    """
    e, f = slacks
    value = float(first @ second)
    low = (1 - e) * (1 - f) * value
    other = e * (1 - f) * second.max() + f * (1 - e) * first.max() + e * f
    return value, low, low + float(other)


def distinct(law: NDArray, agents: int) -> float:
    """Expected number of different choices of k agents, from 1 to k; `law` has shape (K,)."""
    found = float((1 - (1 - law) ** agents).sum())
    return float(np.clip(found, 1, agents))  # rounding


def majority(law: NDArray, agents: int) -> float:
    """Probability that more than half of k agents choose the same; `law` has shape (K,)."""
    found = float(stats.binom.sf(agents // 2, agents, np.clip(law, 0, 1)).sum())
    return min(found, 1.0)  # rounding


def coupled(slack: float, agents: int) -> float:
    """The most that unresolved mass can change of a probability that concerns k agents."""
    return 1 - (1 - slack) ** agents


def matches_drawn(counts: NDArray) -> Interval:
    """The collision probability of two agents, from `counts` of draws, shape (K,)."""
    n = int(counts.sum())

    def found(own: NDArray) -> float:
        return float((own * (own - 1)).sum() / (own.sum() * (own.sum() - 1)))

    return _of_sets(found, counts, 2, n * (n - 1) / 2, (0.0, 1.0))


def distinct_drawn(counts: NDArray, agents: int) -> Interval:
    """Expected different choices of k agents, from `counts`, shape (K,) (Hurlbert 1971)."""

    def found(own: NDArray) -> float:
        return float((1 - _chosen(own, agents, 0)).sum())

    return _of_sets(found, counts, agents, _sets(counts, agents), (1.0, float(agents)))


def majority_drawn(counts: NDArray, agents: int) -> Interval:
    """Probability that more than half of k agents choose the same, from `counts`, shape (K,)."""

    def found(own: NDArray) -> float:
        return float(
            sum(_chosen(own, agents, by).sum() for by in range(agents // 2 + 1, agents + 1))
        )

    return _of_sets(found, counts, agents, _sets(counts, agents), (0.0, 1.0))


def matches_between(first: NDArray, second: NDArray) -> Interval:
    """Probability that a draw of each of two models is the same, from counts, shape (K,) each."""
    n, m = int(first.sum()), int(second.sum())
    value = float(first @ second / (n * m))
    seen = np.repeat(second / m, first), np.repeat(first / n, second)  # by each draw
    variance = sum(float(each.var(ddof=1)) / each.size for each in seen)
    return _wilson(value, variance, (min(n, m), n * m), n + m, (0.0, 1.0))


def _chosen(counts: NDArray, agents: int, by: int) -> NDArray:
    """Share of the sets of k draws in which an answer occurs `by` times, shape (K,)."""
    n = counts.sum()
    return (
        special.comb(counts, by) * special.comb(n - counts, agents - by) / special.comb(n, agents)
    )


def _sets(counts: NDArray, agents: int) -> float:
    return float(special.comb(int(counts.sum()), agents))


def _of_sets(
    found: Callable[[NDArray], float],
    counts: NDArray,
    agents: int,
    sets: float,
    bounds: tuple[float, float],
) -> Interval:
    """A mean over all sets of k draws; its variance is the jackknife's, on average not too small.

    (Efron and Stein 1981.)
    """
    n = int(counts.sum())
    counts = counts[counts > 0]
    # Answers that were drawn equally often give the same when one of their draws is left out.
    sizes, kinds, many = np.unique(counts, return_index=True, return_counts=True)
    left_out = np.empty(sizes.size)
    for number, kind in enumerate(kinds):
        fewer = counts.copy()
        fewer[kind] -= 1
        left_out[number] = found(fewer)
    weights = sizes * many / n
    variance = (n - 1) * float(weights @ (left_out - weights @ left_out) ** 2)
    return _wilson(found(counts), variance, (n // agents, sets), n, bounds)


def _wilson(
    value: float,
    variance: float,
    sets: tuple[float, float],
    n: int,
    bounds: tuple[float, float],
) -> Interval:
    """Wilson's interval at the effective number of sets (Franco et al. 2019).

    That is the number of independent sets that would give the same variance. It is at least the
    number of sets that share no draw, `sets[0]`, and at most that of all sets.
    """
    low, high = bounds
    value = float(np.clip(value, low, high))  # rounding
    share = (value - low) / (high - low)
    size = share * (1 - share) / variance * (high - low) ** 2 if variance > 0 else sets[0]
    size = float(np.clip(size, max(sets[0], 1), max(sets[1], 1)))
    grown = 1 + NORMAL**2 / size
    middle = (share + NORMAL**2 / (2 * size)) / grown
    half = NORMAL / grown * np.sqrt(share * (1 - share) / size + NORMAL**2 / (4 * size**2))
    ends = [low + (high - low) * end for end in (middle - half, middle + half)]
    return Interval(value, max(min(ends[0], value), low), min(max(ends[1], value), high), n)


def joint(first: NDArray, second: NDArray) -> NDArray:
    """Joint law of two agents' answers over prompts that are equally likely, shape (K, K).

    `first` and `second` have the agents' laws by prompt, shape (X, K).
    """
    return np.einsum("xa,xb->ab", first, second) / len(first)


def joint_drawn(first: NDArray, second: NDArray | None) -> NDArray:
    """The same from counts by prompt, shape (X, K); without `second` of two agents of one model."""
    n = first.sum(axis=1, keepdims=True)
    if second is not None:
        return joint(first / n, second / second.sum(axis=1, keepdims=True))
    pairs = joint(first / n, first / (n - 1))
    return pairs - np.diag((first / (n * (n - 1))).mean(axis=0))


def information(pairs: NDArray) -> float:
    """Mutual information of a joint law, shape (K, K), in bits."""
    found = divergence(pairs, np.outer(pairs.sum(axis=1), pairs.sum(axis=0)))
    return max(found, 0.0)  # rounding


def divergence(law: NDArray, other: NDArray) -> float:
    """Kullback-Leibler divergence of two laws of one shape, in bits; infinite where it is."""
    seen = law > 0
    with np.errstate(divide="ignore"):
        return float((law[seen] * np.log2(law[seen] / other[seen])).sum())


def information_bounds(
    first: NDArray, second: NDArray, slacks: tuple[float, float]
) -> tuple[float, float, float]:
    """Mutual information of two agents over equally likely prompts, in bits: value, low, high.

    `first` and `second` are laws by prompt, shape (X, K), with at most `slacks` unresolved. The
    upper bound: mutual information is at most the divergence from any product of laws, which is
    convex. The lower one: Donsker and Varadhan's formula (1983) holds for any function, here the
    pointwise information of the laws as they are.
    """
    pairs = joint(first, second)
    value = information(pairs)
    e, f = slacks
    if e == f == 0:
        return value, value, value
    size = first.shape[1]
    a, b = (
        (1 - slack) * laws.mean(axis=0) + slack / size for slack, laws in ((e, first), (f, second))
    )
    rare_a, rare_b = (-np.log2(each[each > 0].min()) for each in (a, b))
    far_a = rare_a + max(divergence(law, b) for law in second)
    far_b = rare_b + max(divergence(law, a) for law in first)
    high = (1 - e) * (1 - f) * divergence(pairs, np.outer(a, b))
    high += e * (1 - f) * far_a + f * (1 - e) * far_b + e * f * (rare_a + rare_b)
    product = np.outer(pairs.sum(axis=1), pairs.sum(axis=0))
    ratio = np.ones_like(pairs)
    np.divide(pairs, product, out=ratio, where=product > 0)
    ratio = np.maximum(ratio, 2.0**-10)  # of any function: bounded, so that its logarithm is
    t = coupled(max(e, f), 2)
    low = (1 - t) * float((pairs * np.log2(ratio)).sum()) + t * float(np.log2(ratio.min()))
    low -= np.log2((1 - t) * float((product * ratio).sum()) + t * float(ratio.max()))
    # One of the two bounds may be the value itself, up to rounding.
    return value, min(max(low, 0.0), value), max(min(high, float(np.log2(size))), value)


def information_drawn(first: NDArray, second: NDArray | None) -> Interval:
    """Mutual information from counts by prompt, shape (X, K), in bits; `n` counts the draws.

    With `second` None, of two agents of one model. Bias and variance are those of the jackknife
    that leaves out one draw, prompt by prompt (Efron and Stein 1981); so the value may lie below 0.
    Where the information is 0, its bias falls as 1/n^2 and the jackknife removes twice of it: the
    interval begins from both values, with and without the correction. Draws without spread have no
    interval.
    """
    value = information(joint_drawn(first, second))
    bias, variance = 0.0, 0.0
    tables = [first] if second is None else [first, second]
    for place, table in enumerate(tables):
        for row in range(len(table)):
            kinds = np.flatnonzero(table[row])
            left_out = np.empty(kinds.size)
            for number, kind in enumerate(kinds):
                fewer = table.copy()
                fewer[row, kind] -= 1
                both = (fewer, second) if place == 0 else (first, fewer)
                left_out[number] = information(joint_drawn(*both))
            n = int(table[row].sum())
            weights = table[row, kinds] / n
            mean = float(weights @ left_out)
            bias += (n - 1) * (mean - value)
            variance += (n - 1) * float(weights @ (left_out - mean) ** 2)
    half = NORMAL * float(np.sqrt(variance)) if variance > DUST**2 else np.nan
    n = sum(int(table.sum()) for table in tables)
    ends = sorted([value, value - bias])
    return Interval(value - bias, ends[0] - half, ends[1] + half, n)
