"""Answerers whose options are drawn and counted, with known confidences and biases."""

import numpy as np
from scipy.special import expit

from tests.change_of_mind.made import PLAN
from workflow_scripts.change_of_mind import answerers, counted, resample

DRAWS = 8  # besides the choice
ADVICE = ("same", "opposite", "neutral")


def world(own, questions, calibration, resamples, seed):
    """E1 of an answerer as counts of draws, its temperatures, and the true log-odds.

    As the answerers of the study, but as arrays. The log-odds are those of the
    first-chosen option before and after, on the scale of its beliefs, shape (n,).
    """
    rng = np.random.default_rng(seed)

    def beliefs(count):
        right = rng.integers(0, 2, count)
        signal = rng.normal(size=(count, 2))
        signal[np.arange(count), right] += own["evidence"]
        return own["evidence"] * (signal[:, 0] - signal[:, 1]), right

    def drawn(odds):
        return rng.binomial(DRAWS, expit(own["temperature"] * odds))

    odds, right = beliefs(calibration)
    hits = drawn(odds)
    counts = np.stack([hits, DRAWS - hits], axis=1)

    def fit(weights):
        return counted.fit_temperature(counts, right, weights)

    clusters = np.arange(calibration)
    fits = [fit(resample.draw_weights(clusters, rng)) for _ in range(resamples)]
    fitted = resample.Temperatures(fit(np.ones(calibration)), np.array(fits))

    odds, _ = beliefs(questions)
    choice = (rng.random(questions) > expit(own["temperature"] * odds)).astype(int)
    odds = np.where(choice == 0, odds, -odds)  # of the chosen option
    axes = np.arange(questions), [0, 1], np.arange(3), PLAN.accuracies
    question, display, advice, accuracy = (
        axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")
    )
    stated = np.minimum(accuracy / 100, answerers.CERTAIN)
    weight = np.choose(advice, [own["same_weight"], -own["opposite_weight"], 0.0])
    after = odds[question] + own["shift"] * display + weight * np.log(stated / (1 - stated))
    after = after + own["noise"] * rng.normal(size=len(after))
    first = choice[question]
    final = np.where(rng.random(len(after)) < expit(own["temperature"] * after), first, 1 - first)

    def two(hits):
        sides = np.stack([hits, DRAWS - hits], axis=1)
        return np.where((first == 0)[:, None], sides, sides[:, ::-1])

    neutral = np.arange(len(first)).reshape(questions, 2, 3, -1)[:, :, 2:]
    given = resample.Sample(
        np.zeros((len(first), 0)),
        np.zeros((len(first), 0)),
        first,
        final,
        np.choose(advice, [first, 1 - first, -1]),
        accuracy,
        display,
        advice,
        question,
        question,
        np.broadcast_to(neutral, (questions, 2, 3, len(PLAN.accuracies))).ravel(),
        ("hidden", "shown"),
        ADVICE,
        two(drawn(odds)[question]),
        two(drawn(after)),
    )
    return given, fitted, odds[question], after
