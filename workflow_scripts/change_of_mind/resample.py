"""Trials as arrays, and intervals that hold both what was asked and how it was calibrated.

A bootstrap draw takes whole places with replacement, from the questions and from the calibration
set, and fits the temperature anew: an interval without that would treat the temperature as known.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import confidence
from workflow_scripts.change_of_mind.confidence import Floats

Ints = np.ndarray
Key = tuple[str, str, str, str, str]  # metric, display, advice, accuracy, bin; "all" where pooled
Group = tuple[str, str, str]  # display, advice, accuracy
Values = dict[Key, float]
ALL = "all"
UNDEFINED = 0.2  # an interval needs its quantity defined in all but this share of the draws


@dataclass(frozen=True)
class Sample:
    """Trials of one experiment. Arrays have shape (n,), log-probabilities (n, options)."""

    first_logprobs: Floats
    final_logprobs: Floats
    first: Ints
    final: Ints
    advised: Ints
    accuracy: Ints  # %
    display: Ints  # index into `displays`
    advice: Ints  # index into `advices`
    cluster: Ints
    displays: tuple[str, ...]
    advices: tuple[str, ...]

    @property
    def clusters(self) -> int:
        return int(self.cluster.max()) + 1

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
    """What a temperature makes of a sample; confidence in the first-chosen option, shape (n,)."""

    before: Floats
    after: Floats
    ideal: Floats  # after, by Bayes' rule
    final: Floats  # in the finally chosen option


class Temperatures(NamedTuple):
    """The calibration temperature of a model, and of each bootstrap draw."""

    value: float
    draws: Floats


Statistic = Callable[[Sample, Seen, Floats], Values]


def matrix(texts: pd.Series) -> Floats:
    """JSON lists as rows; where options are missing, -inf."""
    rows = [json.loads(text) for text in texts]
    made = np.full((len(rows), max(map(len, rows))), -np.inf)
    for number, row in enumerate(rows):
        made[number, : len(row)] = row
    return made


def sample(trials: pd.DataFrame) -> Sample:
    """Arrays of trials with a second turn."""
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
        pd.factorize(trials["cluster"])[0],
        displays,
        advices,
    )


def seen(given: Sample, temperature: float) -> Seen:
    """Confidences at a temperature, and what Bayes' rule would make of the first ones."""
    rows = np.arange(len(given.first))
    before = confidence.probabilities(given.first_logprobs, temperature)
    after = confidence.probabilities(given.final_logprobs, temperature)
    ideal = confidence.posterior(before, given.advised, given.accuracy / 100)
    return Seen(
        before[rows, given.first],
        after[rows, given.first],
        ideal[rows, given.first],
        after[rows, given.final],
    )


def cluster_weights(clusters: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn, with replacement."""
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters)).astype(float)


def temperatures(
    calibration: pd.DataFrame, resamples: int, rng: np.random.Generator
) -> Temperatures:
    """Fit on the calibration questions (first turns), and on resamples of their places."""
    logprobs = matrix(calibration["first_logprobs"])
    right = calibration["right"].to_numpy(int)
    cluster = pd.factorize(calibration["cluster"])[0]
    draws = [
        confidence.fit_temperature(
            logprobs, right, cluster_weights(int(cluster.max()) + 1, rng)[cluster]
        )
        for _ in range(resamples)
    ]
    return Temperatures(confidence.fit_temperature(logprobs, right), np.array(draws))


def estimate(
    given: Sample,
    fitted: Temperatures,
    statistic: Statistic,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Each quantity of `statistic` with its 95 % percentile interval.

    `statistic` gets weights, shape (n,). Columns: metric, display, advice, accuracy, bin, value,
    ci_low, ci_high, n (places).
    """
    point = statistic(given, seen(given, fitted.value), np.ones(len(given.first)))
    draws = np.full((len(fitted.draws), len(point)), np.nan)
    for number, temperature in enumerate(fitted.draws):
        weights = cluster_weights(given.clusters, rng)[given.cluster]
        found = statistic(given, seen(given, float(temperature)), weights)
        draws[number] = [found.get(key, np.nan) for key in point]
    rows = []
    for column, (key, value) in enumerate(point.items()):
        defined = draws[np.isfinite(draws[:, column]), column]
        low = high = np.nan
        if np.isfinite(value) and len(defined) > (1 - UNDEFINED) * len(draws):
            ends = np.quantile(defined, [0.025, 0.975])
            low, high = min(ends[0], value), max(ends[1], value)
        names = dict(zip(("metric", "display", "advice", "accuracy", "bin"), key, strict=True))
        shown = value if np.isfinite(value) else np.nan
        rows.append(names | {"value": shown, "ci_low": low, "ci_high": high, "n": given.clusters})
    return pd.DataFrame(rows)
