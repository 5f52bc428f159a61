"""Artificial answerers and their trials for the tests, from the study's own code."""

from functools import cache

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import (
    answerers,
    confidence,
    questions,
    resample,
    turns,
    wording,
)
from workflow_scripts.change_of_mind.trials import trials_of
from workflow_scripts.shared.fingerprint import ROOT

COUNTS = {
    "calibration": 300,
    "factorial": 150,
    "controls": 60,
    "four_options": 30,
    "transfer": 30,
    "sanity": 20,
}
FILES: dict[str, str | None] = {"four_options": None, "transfer": None}
PLAN = turns.Plan(wording.ENGLISH, (50, 60, 70, 80, 90, 100), COUNTS, 1.0, 5)
BIASED = {"evidence": 1.5, "temperature": 2.0, "shift": 1.2, "noise": 0.3}
BIASED |= {"same_weight": 1.1, "opposite_weight": 2.0}
IDEAL = {"evidence": 1.5, "temperature": 2.0, "shift": 0.0, "noise": 0.0}
IDEAL |= {"same_weight": 1.0, "opposite_weight": 1.0}
ANSWERERS = {"biased": BIASED, "ideal": IDEAL, "noisy": IDEAL | {"noise": 1.0}}
CITIES = ROOT / "resources" / "change_of_mind" / "cities.csv"


@cache
def cities() -> pd.DataFrame:
    return pd.read_csv(CITIES, comment="#")


@cache
def asked() -> pd.DataFrame:
    atlas = questions.city_atlas(cities(), 0.5)
    return questions.QUESTIONS.validate(
        questions.table("cities", atlas, COUNTS, 0.4, FILES, PLAN.seed)
    )


@cache
def answered(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Requests and responses of one of `ANSWERERS`."""
    return answerers.answers(asked(), ANSWERERS[name], name, PLAN)


@cache
def tried(name: str) -> pd.DataFrame:
    return trials_of(asked(), *answered(name), PLAN)


def rows(frame: pd.DataFrame, **wanted: object) -> pd.DataFrame:
    keep = np.ones(len(frame), bool)
    for column, value in wanted.items():
        keep &= (frame[column] == value).to_numpy()
    return frame[keep]


def hidden_trials(
    own: dict[str, float], questions: int, calibration: int, draws: int, seed: int
) -> tuple[resample.Sample, resample.Temperatures]:
    """E1 with the answer hidden, and the temperature, of an answerer drawn as arrays.

    As the answerers of the study, but fast enough for many worlds.
    """
    rng = np.random.default_rng(seed)

    def beliefs(count: int) -> tuple[np.ndarray, np.ndarray]:
        right = rng.integers(0, 2, count)
        signal = rng.normal(size=(count, 2))
        signal[np.arange(count), right] += own["evidence"]
        return own["evidence"] * (signal[:, 0] - signal[:, 1]), right

    def two(odds: np.ndarray) -> np.ndarray:
        return -np.logaddexp(0, np.stack([-odds, odds], axis=1) * own["temperature"])

    odds, right = beliefs(calibration)
    clusters, calibrating = np.arange(calibration), two(odds)
    fits = [
        confidence.fit_temperature(calibrating, right, resample.draw_weights(clusters, rng))
        for _ in range(draws)
    ]
    fitted = resample.Temperatures(confidence.fit_temperature(calibrating, right), np.array(fits))

    odds, _ = beliefs(questions)
    choice = (rng.random(questions) > 1 / (1 + np.exp(-own["temperature"] * odds))).astype(int)
    grid = np.meshgrid(np.arange(questions), np.arange(3), PLAN.accuracies, indexing="ij")
    question, advice, accuracy = (axis.ravel() for axis in grid)
    first = choice[question]
    advised = np.choose(advice, [first, 1 - first, -1])
    stated = np.minimum(accuracy / 100, answerers.CERTAIN)
    weight = np.choose(advice, [own["same_weight"], own["opposite_weight"], 0.0])
    towards = np.where(advised == 0, 1, -1) * weight * np.log(stated / (1 - stated))
    after = odds[question] + towards + own["noise"] * rng.normal(size=len(question))
    neutral = question * grid[0].shape[1] * 6 + 2 * 6 + np.tile(np.arange(6), 3 * questions)
    options = two(odds)[question], two(after), first, first, advised, accuracy
    names = ("hidden",), ("same", "opposite", "neutral")
    hidden = np.zeros(len(question), int)
    given = resample.Sample(*options, hidden, advice, question, question, neutral, *names)
    return given, fitted
