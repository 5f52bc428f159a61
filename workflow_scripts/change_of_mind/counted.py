"""Confidences from counts of sampled choices, where a model gives no log-probabilities.

A count of k in n draws is a noisy measurement of the log-odds of an option, and gives none where k
is 0 or n. So the counts of a condition get the usual model of clustered binary data, binomial with
normally distributed log-odds (mixed-effects logistic regression), fitted by maximum likelihood.
Each count is replaced by posterior means under it (empirical Bayes; Efron 2016). These average to
the fitted mean whatever n is, so nothing is shrunk on average; as a regressor they do not attenuate
a slope (regression calibration; Carroll et al. 2006). Every bootstrap draw fits anew, so intervals
contain the noise of the draws.

Where all n draws agree, log-odds follow from the normal distribution alone. The scores give the
share of such trials (`saturated`).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.change_of_mind.confidence import TEMPERATURES, Floats

Ints = NDArray[np.int64]

MOST, NODES = 14.0, 81  # the grid of log-odds; 8 draws rarely tell beyond 4
START = (0.0, 0.2)  # mean / variance and 1 / variance; also where the ridge pulls
RIDGE = 1.0  # weight of that pull, in questions: finite parameters if all counts are full
PRECISIONS = (1.0e-3, 8.0)  # of the normal distribution; narrower ones fall between the nodes
ITERATIONS, CLOSE = 100, 1.0e-4
LONGEST = 0.5  # step of a parameter


@cache
def nodes() -> Floats:
    """The grid of log-odds, shape (NODES,)."""
    return np.linspace(-MOST, MOST, NODES)


def fit(hits: Ints, draws: Ints, group: Ints, weights: Floats) -> Floats:
    """Mean / variance and 1 / variance of the log-odds in each group, shape (groups, 2).

    `hits` of `draws` choices, the `group` (from 0) and the `weights` have shape (n,).
    """
    pairs, place = np.unique(np.stack([hits, draws], axis=1), axis=0, return_inverse=True)
    groups = int(group.max()) + 1
    table = np.bincount(group * len(pairs) + place.ravel(), weights, groups * len(pairs))
    table = table.reshape(groups, len(pairs))
    likelihood = np.exp(_log_likelihood(pairs[:, 0], pairs[:, 1]))
    statistics = np.stack([nodes(), -(nodes() ** 2) / 2])
    size = table.sum(axis=1, keepdims=True)
    found = np.tile(np.array(START), (groups, 1))
    for _ in range(ITERATIONS):
        prior = _normal(found @ statistics)
        # Expectations over the posteriors less those over the prior, as in an EM step.
        share = table / np.maximum(prior @ likelihood.T, np.finfo(float).tiny)
        mean = prior @ statistics.T
        slope = (prior * (share @ likelihood)) @ statistics.T - size * mean
        slope -= RIDGE * (found - START)
        centred = statistics - mean[:, :, None]
        curve = np.einsum("gan,gbn,gn->gab", centred, centred, prior) * size[:, :, None]
        step = np.linalg.solve(curve + RIDGE * np.eye(2), slope[:, :, None])[:, :, 0]
        new = found + np.clip(1.5 * step, -LONGEST, LONGEST)
        new[:, 1] = np.clip(new[:, 1], *PRECISIONS)
        close = np.abs(new - found).max() < CLOSE
        found = new
        if close:
            break
    return found


class Measured(NamedTuple):
    """What counts tell of the log-odds of one option of each question, at a temperature."""

    weights: Floats  # probabilities of the nodes, shape (n, NODES)
    shares: Floats  # how the other options share what it leaves, shape (n, options)
    temperature: float
    offset: Floats  # of the log-odds at the temperature, shape (n,); 0 for two options

    def confidence(self, shift: Floats | float = 0.0) -> Floats:
        """Mean probability of the option with log-odds higher by `shift`, both of shape (n,)."""
        return _mean(self.weights, self.temperature, self.offset + shift)

    def log_odds(self) -> Floats:
        """Mean log-odds of the option, shape (n,)."""
        return self.weights @ nodes() / self.temperature + self.offset


def measure(
    counts: Ints, own: Ints, group: Ints, temperature: float, weights: Floats, rows: Ints
) -> Measured:
    """The log-odds of option `own`, with one distribution for each `group`.

    `counts` has shape (n, options), -1 for an option that a question lacks; `own`, `group` and
    `weights` have shape (n,). The distributions are fitted to `rows`. Half a draw is added to each
    of the other options, to divide what `own` leaves among them.
    """
    every = np.arange(len(counts))
    hits, draws = counts[every, own], np.maximum(counts, 0).sum(axis=1)
    fitted = fit(hits[rows], draws[rows], group[rows], weights[rows])
    left = np.where(counts >= 0, counts + 0.5, 0.0)
    left[every, own] = 0.0
    scaled = (left / left.sum(axis=1, keepdims=True)) ** (1 / temperature)
    total = scaled.sum(axis=1)
    return Measured(
        _posterior(hits, draws, fitted[group]),
        scaled / total[:, None],
        temperature,
        -np.log(total),
    )


def fit_temperature(counts: Ints, right: Ints, weights: Floats) -> float:
    """The temperature under which the right options are most likely, given counts.

    As `confidence.fit_temperature`, for questions with two options: `counts` has shape (n, 2),
    `right` and `weights` (n,).
    """
    from scipy import optimize

    hits, draws = counts[:, 0], counts.sum(axis=1)
    group = np.zeros(len(hits), dtype=int)
    given = _posterior(hits, draws, fit(hits, draws, group, weights)[group])

    def loss(log_temperature: float) -> float:
        first = _mean(given, float(np.exp(log_temperature)), np.zeros(len(hits)))
        return -float(weights @ np.log(np.where(right == 0, first, 1 - first)))

    bounds = (np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1]))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def saturated(counts: Ints) -> NDArray[np.bool_]:
    """Whether all draws are of one option, shape (n,); `counts` has shape (n, options)."""
    return (counts > 0).sum(axis=1) <= 1


def _mean(weights: Floats, temperature: float, shift: Floats) -> Floats:
    """Mean of logistic(node / temperature + shift), shape (n,)."""
    from scipy.special import expit

    return (weights * expit(nodes() / temperature + shift[:, None])).sum(axis=1)


def _posterior(hits: Ints, draws: Ints, fitted: Floats) -> Floats:
    """Probabilities of the nodes given each count, shape (n, NODES); `fitted` has shape (n, 2)."""
    prior = fitted[:, :1] * nodes() - fitted[:, 1:] * nodes() ** 2 / 2
    return _normal(_log_likelihood(hits, draws) + prior)


def _log_likelihood(hits: Ints, draws: Ints) -> Floats:
    """Log-probability of each count at each node, up to a constant, shape (n, NODES)."""
    at = nodes()
    misses = (draws - hits)[:, None]
    return -hits[:, None] * np.logaddexp(0, -at) - misses * np.logaddexp(0, at)


def _normal(log_weights: Floats) -> Floats:
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
