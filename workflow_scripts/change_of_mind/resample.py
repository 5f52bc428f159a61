"""Trials as arrays, and intervals that cover the choice of questions and the calibration.

A bootstrap draw takes whole places with replacement, from the questions and from the calibration
set, and fits the temperature again. Otherwise the interval would treat the temperature as known.
Where choices were sampled, confidences are those of `counted`, fitted again in each draw, too.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import confidence, counted
from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.shared import scores, statistics
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Bounds, Interval

Ints = np.ndarray
Key = tuple[str, str, str, str, str]  # metric, display, advice, accuracy, bin; "all" where pooled
Group = tuple[str, str, str]  # display, advice, accuracy
Values = dict[Key, float]
ALL = "all"
DEFINED = 0.8  # an interval needs its quantity to be defined in more than this share of the draws


@dataclass(frozen=True)
class Sample:
    """Trials of one experiment. Arrays have shape (n,), log-probabilities (n, options).

    Where choices were sampled, there are counts of them, shape (n, options), and no
    log-probabilities; -1 for an option that a question lacks.
    """

    first_logprobs: Floats
    final_logprobs: Floats
    first: Ints
    final: Ints
    advised: Ints
    accuracy: Ints  # %
    display: Ints  # index into `displays`
    advice: Ints  # index into `advices`
    question: Ints  # numbered from 0
    cluster: Ints  # the question's place, numbered from 0
    neutral: Ints  # row of the trial with neutral advice at the same question, display and accuracy
    displays: tuple[str, ...]
    advices: tuple[str, ...]
    first_counts: Ints | None = None
    final_counts: Ints | None = None

    @property
    def clusters(self) -> int:
        """The number of places."""
        return int(self.cluster.max()) + 1

    @property
    def questions(self) -> int:
        """The number of questions."""
        return int(self.question.max()) + 1

    @property
    def changed(self) -> Floats:
        """Whether the final answer differs from the first, 0 or 1, shape (n,)."""
        return (self.final != self.first).astype(float)

    @cached_property
    def groups(self) -> list[tuple[Group, Ints]]:
        """Rows of each cell, of each display x advice over accuracies, and of each display."""
        return [(group, np.flatnonzero(mask)) for group, mask in self._groups()]

    def _groups(self) -> Iterator[tuple[Group, Ints]]:
        for d, display in enumerate(self.displays):
            shown = self.display == d
            yield (display, ALL, ALL), shown
            for a, advice in enumerate(self.advices):
                both = shown & (self.advice == a)
                yield (display, advice, ALL), both
                for accuracy in np.unique(self.accuracy):
                    yield (display, advice, str(accuracy)), both & (self.accuracy == accuracy)


class Seen(NamedTuple):
    """Confidences of a sample at one temperature, in the first-chosen option, shape (n,)."""

    before: Floats
    after: Floats
    ideal: Floats  # after, by Bayes' rule
    final: Floats  # in the finally chosen option
    odds: Floats  # log-odds after, not clipped
    ideal_shift: Floats  # change of log-odds by Bayes' rule, not clipped; may be infinite
    odds_change: Floats  # log-odds after less those before, each clipped
    odds_before: Floats  # clipped


class Temperatures(NamedTuple):
    """A model's calibration temperature, and that of each bootstrap draw, shape (draws,)."""

    value: float
    draws: Floats


Statistic = Callable[[Sample, Seen, Floats], Values]


def matrix(texts: pd.Series, absent: float = -np.inf) -> Floats:
    """JSON lists as rows, shape (n, options); `absent` where options are missing."""
    rows = [json.loads(text) for text in texts]
    filled = np.full((len(rows), max(map(len, rows))), absent)
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
    return filled


def counts(texts: pd.Series) -> Ints | None:
    """Counts of sampled choices, shape (n, options), -1 where options are missing, or None."""
    found = matrix(texts, -1).astype(int)
    return found if found.size else None


def complete(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials without questions of which an answer could not be read, by experiment.

    Each question is then in all cells of an experiment, as in the design.
    """
    unread = (trials["first"] < 0) | ((trials["final"] < 0) & (trials["experiment"] != "first"))
    keys = trials["experiment"] + "/" + trials["question"]
    return trials[~keys.isin(set(keys[unread]))]


def sample(trials: pd.DataFrame) -> Sample:
    """The arrays of trials that have a second turn, one row per trial."""
    displays = tuple(dict.fromkeys(trials["display"]))
    advices = tuple(dict.fromkeys(trials["advice"]))
    return Sample(
        matrix(trials["first_logprobs"]),
        matrix(trials["final_logprobs"]),
        trials["first"].to_numpy(int),
        trials["final"].to_numpy(int),
        trials["advised"].to_numpy(int),
        trials["accuracy"].to_numpy(int),
        trials["display"].map(displays.index).to_numpy(int),
        trials["advice"].map(advices.index).to_numpy(int),
        pd.factorize(trials["question"])[0],
        pd.factorize(trials["cluster"])[0],
        _neutral_rows(trials),
        displays,
        advices,
        counts(trials["first_counts"]),
        counts(trials["final_counts"]),
    )


def _neutral_rows(trials: pd.DataFrame) -> Ints:
    """Row of each trial's counterpart with neutral advice, shape (n,)."""
    keys = ["question", "display", "accuracy"]
    rows = trials[keys].assign(row=np.arange(len(trials)))
    neutral = rows[(trials["advice"] == "neutral").to_numpy()]
    return rows[keys].merge(neutral, on=keys, how="left", validate="m:1")["row"].to_numpy(int)


def seen(given: Sample, temperature: float, weights: Floats | None = None) -> Seen:
    """Confidences at a temperature, and the ideal observer's, who starts from the first ones.

    All arrays have shape (n,). See `confidence.posterior` for Bayes' rule. `weights`, 1 by default,
    say how often each trial counts in the distributions that sampled choices are measured with.
    """
    if given.first_counts is not None:
        every = np.ones(len(given.first)) if weights is None else weights
        return _seen_in_counts(given, temperature, every)
    rows = np.arange(len(given.first))
    accuracy = given.accuracy / 100
    before = confidence.probabilities(given.first_logprobs, temperature)
    after = confidence.probabilities(given.final_logprobs, temperature)
    ideal = confidence.posterior(before, given.advised, accuracy)
    first = given.first_logprobs / temperature
    likelihood = confidence.likelihood(np.isfinite(first), given.advised, accuracy)
    with np.errstate(divide="ignore"):
        advised = first + np.log(likelihood)
    prior = confidence.exact_log_odds(first, given.first)
    odds_before = confidence.log_odds(before[rows, given.first])
    return Seen(
        before[rows, given.first],
        after[rows, given.first],
        ideal[rows, given.first],
        after[rows, given.final],
        confidence.exact_log_odds(given.final_logprobs / temperature, given.first),
        confidence.exact_log_odds(advised, given.first) - prior,
        confidence.log_odds(after[rows, given.first]) - odds_before,
        odds_before,
    )


def _seen_in_counts(given: Sample, temperature: float, weights: Floats) -> Seen:
    """The means of `seen` over what the log-odds may be, given the counts of sampled choices.

    The first confidences have one distribution, the final ones one for each cell.
    """
    assert given.first_counts is not None
    assert given.final_counts is not None
    first, rows = given.first, np.arange(len(given.first))
    once = np.unique(given.question, return_index=True)[1]
    cells = np.stack([given.display, given.advice, given.accuracy])
    cell = np.unique(cells, axis=1, return_inverse=True)[1].ravel()
    before = counted.measure(
        given.first_counts, first, np.zeros_like(cell), temperature, weights, once
    )
    after = counted.measure(given.final_counts, first, cell, temperature, weights, rows)
    there = given.first_counts >= 0
    likelihood = confidence.likelihood(there, given.advised, given.accuracy / 100)
    with np.errstate(divide="ignore"):
        shift = np.log(likelihood[rows, first])
        shift = shift - np.log((before.shares * likelihood).sum(axis=1))
    in_first, odds, odds_before = after.confidence(), after.log_odds(), before.log_odds()
    in_other = (1 - in_first) * after.shares[rows, given.final]
    return Seen(
        before.confidence(),
        in_first,
        before.confidence(shift),
        np.where(given.final == first, in_first, in_other),
        odds,
        shift,
        odds - odds_before,
        odds_before,
    )


def draw_weights(cluster: Ints, rng: np.random.Generator) -> Floats:
    """How often each row is drawn when clusters are drawn with replacement, shape (n,).

    `cluster`, shape (n,), numbers the rows' clusters from 0.
    """
    clusters = int(cluster.max()) + 1
    counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters)).astype(float)
    return counts[cluster]


def temperatures(
    calibration: pd.DataFrame, resamples: int, rng: np.random.Generator
) -> Temperatures:
    """Fit on the calibration questions (first turns), and on `resamples` draws of their places."""
    logprobs, sampled = matrix(calibration["first_logprobs"]), counts(calibration["first_counts"])
    right = calibration["right"].to_numpy(int)
    cluster = pd.factorize(calibration["cluster"])[0]

    def fit(weights: Floats) -> float:
        if sampled is None:
            return confidence.fit_temperature(logprobs, right, weights)
        return counted.fit_temperature(sampled, right, weights)

    draws = [fit(draw_weights(cluster, rng)) for _ in range(resamples)]
    return Temperatures(fit(np.ones(len(right))), np.array(draws))


def first_confidence(first: pd.DataFrame) -> Callable[[float, Floats], Floats]:
    """The confidence in the chosen option of first answers, at a temperature and with weights.

    The weights and the result have shape (n,).
    """
    chosen = first["first"].to_numpy(int)
    sampled = counts(first["first_counts"])
    logprobs = matrix(first["first_logprobs"])
    rows = np.arange(len(chosen))

    def found(temperature: float, weights: Floats) -> Floats:
        if sampled is None:
            return confidence.probabilities(logprobs, temperature)[rows, chosen]
        return counted.measure(
            sampled, chosen, np.zeros_like(rows), temperature, weights, rows
        ).confidence()

    return found


def percentiles(
    value: float, draws: Floats, n: int, needed: float = 0.0, bounds: Bounds | None = None
) -> Interval:
    """`value` with the 95 % percentile interval of bootstrap `draws`, shape (draws,), of `n` units.

    The value is NaN where it is not finite. The ends are NaN where no more than the share `needed`
    of the draws is finite, and for fewer units than a bootstrap needs. Draws without spread get
    the interval of `statistics.without_spread`, where `bounds` is the range of one unit's value.
    Where an end is the last value that can be drawn (`statistics.stuck`), it is at least that of
    Student's t with the draws' standard deviation.
    """
    from scipy import stats

    finite = draws[np.isfinite(draws)]
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan, n)
    if len(finite) <= needed * len(draws) or n < statistics.FEWEST_RESAMPLED:
        return Interval(value, np.nan, np.nan, n)
    low, high = np.quantile(finite, [0.025, 0.975])
    dust = statistics.DUST * max(1.0, float(np.abs(finite).max()))
    least, most = bounds or (-np.inf, np.inf)
    if high - low <= dust:
        both = bounds if np.isfinite([least, most]).all() else None
        return statistics.without_spread(0.0 if abs(value) <= dust else value, n, bounds=both)
    if statistics.stuck(finite):
        half = float(stats.t.ppf(0.975, n - 1) * finite.std())
        low, high = max(min(low, value - half), least), min(max(high, value + half), most)
    return Interval(value, min(low, value), max(high, value), n)


def estimate(
    experiment: str,
    given: Sample,
    fitted: Temperatures,
    wanted: Sequence[tuple[Statistic, np.random.Generator]],
    bounds: Mapping[str, Bounds] = MappingProxyType({}),
) -> Iterator[Row]:
    """One score per quantity of each statistic, with its bootstrap interval over places.

    A statistic takes the sample, its confidences and the trials' weights, shape (n,), which its
    generator draws. `bounds` maps a metric to the range that one place's value can take.
    """
    every = np.ones(len(given.first))
    at = seen(given, fitted.value, every)
    points = [statistic(given, at, every) for statistic, _ in wanted]
    draws = [np.full((len(fitted.draws), len(point)), np.nan) for point in points]
    for number, temperature in enumerate(fitted.draws):
        # Confidences depend on the weights only where choices are counted.
        common = seen(given, float(temperature)) if given.first_counts is None else None
        for (statistic, rng), point, drawn in zip(wanted, points, draws, strict=True):
            weights = draw_weights(given.cluster, rng)
            at = common or seen(given, float(temperature), weights)
            found = statistic(given, at, weights)
            drawn[number] = [found.get(key, np.nan) for key in point]
    for point, drawn in zip(points, draws, strict=True):
        for column, ((metric, display, advice, accuracy, bin_), value) in enumerate(point.items()):
            own = drawn[:, column]
            result = percentiles(value, own, given.clusters, DEFINED, bounds.get(metric))
            where = {"display": display, "advice": advice, "accuracy": accuracy, "bin": bin_}
            yield scores.interval(experiment, metric, result, units="places", **where)
