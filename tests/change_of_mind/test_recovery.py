"""Recovery: the estimators' intervals contain the artificial answerers' known parameters."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from tests.change_of_mind import made
from workflow_scripts.change_of_mind import answerers, scores
from workflow_scripts.change_of_mind.confidence import posterior

SETTINGS = {"bins": 10, "least_ideal_update": 0.02, "bootstrap": 80}
pytestmark = pytest.mark.long


@cache
def scored(name):
    return pd.DataFrame(scores.model_scores(made.tried(name), SETTINGS, 3))


def one(name, metric, **wanted):
    found = made.rows(scored(name), metric=metric, **({"experiment": "E1"} | wanted))
    assert len(found) == 1, found
    return found.iloc[0]


def holds(row, truth):
    if pd.isna(row["ci_low"]):  # equal in every draw: exactly 0 for the ideal answerer
        return row["value"] == truth
    return row["ci_low"] <= truth <= row["ci_high"]


# The known parameter, and the row that must recover it.
PUT_IN = [
    ("temperature", {}, "temperature"),
    ("log_odds_gain", {}, "shift"),
    ("advice_weight", {"display": "hidden", "advice": "same"}, "same_weight"),
    ("advice_weight", {"display": "hidden", "advice": "opposite"}, "opposite_weight"),
    ("advice_weight", {"display": "shown", "advice": "opposite"}, "opposite_weight"),
]


@pytest.mark.parametrize("name", made.ANSWERERS)
@pytest.mark.parametrize(("metric", "where", "parameter"), PUT_IN)
def test_parameters_come_back(name, metric, where, parameter):
    truth = made.ANSWERERS[name][parameter]
    row = one(name, metric, **where)
    assert holds(row, truth), row
    # The interval is informative: it excludes half and twice the truth (or half a unit around 0).
    assert not holds(row, truth / 2 if truth else 0.5)
    assert not holds(row, truth * 2 if truth else -0.5)


@pytest.mark.parametrize("display", ["hidden", "shown"])
@pytest.mark.parametrize("advice", ["same", "opposite", "neutral"])
def test_the_ideal_answerer_shows_no_bias(display, advice):
    where = {"display": display, "advice": advice, "accuracy": "all"}
    assert holds(one("ideal", "oucs", **where), 0), where
    if advice != "neutral":
        for metric in ("overweighting", "overweighting_of_means"):
            assert holds(one("ideal", metric, **where), 1), where


@pytest.mark.parametrize("name", ["ideal", "noisy"])
def test_an_unbiased_answerer_does_not_mind_the_display(name):
    held = [
        holds(one(name, "change_rate_gap", experiment=experiment, advice=advice), 0)
        for advice in ("all", "same", "opposite", "neutral")
        for experiment in ("E1", "E3", "E4", "E5")
    ]
    # Options are drawn, so one or two of sixteen 95 % intervals may miss; four with probability 1
    # %.
    assert sum(held) >= 13
    assert holds(one(name, "confidence_gain"), 0)
    assert one(name, "logit_shown")["value"] == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("display", ["hidden", "shown"])
def test_noise_without_bias_does_not_tip_the_weights(display):
    assert holds(one("noisy", "advice_weight_opposite_less_same", display=display), 0)


def test_the_biased_answerer_shows_each_bias_in_its_direction():
    assert one("biased", "change_rate_gap", advice="all")["ci_low"] > 0
    assert one("biased", "confidence_gain")["ci_low"] > 0
    assert one("biased", "logit_shown")["ci_high"] < 0
    pooled = {"accuracy": "all", "display": "hidden"}
    assert one("biased", "oucs", advice="opposite", **pooled)["ci_high"] < 0
    # None, to a tenth of the biases of the other cells: one interval in twenty misses 0.
    assert one("biased", "oucs", advice="neutral", **pooled)["value"] == pytest.approx(0, abs=0.01)
    assert one("biased", "oucs", advice="neutral", display="shown", accuracy="all")["ci_low"] > 0
    assert one("biased", "overweighting", advice="opposite", **pooled)["ci_low"] > 1
    # It ignores another model's answer, and does not change in one conversation.
    assert holds(one("biased", "change_rate_gap", experiment="E3", advice="all"), 0)
    assert holds(one("biased", "change_rate_gap", experiment="E4", advice="all"), 0)
    assert (
        one("biased", "wrong_display_gap", experiment="E2", display="wrong", advice="all")["ci_low"]
        > 0
    )


def test_calibration_is_good_once_scaled_and_was_not_before():
    assert (
        one("biased", "ece", variant="raw")["ci_low"]
        > one("biased", "ece", variant="calibrated")["value"]
    )
    assert one("biased", "auroc", variant="raw")["value"] > 0.5


def test_beliefs_are_calibrated_by_construction():
    questions = made.asked().sample(4000, replace=True, random_state=1).reset_index(drop=True)
    questions = questions[questions["options"] == 2].assign(
        question=lambda frame: [str(i) for i in range(len(frame))]
    )
    believed = answerers.beliefs(questions, 1.5, 7)
    p = np.exp(np.stack(list(believed.values())))[:, 0]
    right = (questions["right"] == 0).to_numpy()
    for low in np.arange(0, 1, 0.2):
        here = (p >= low) & (p < low + 0.2)
        assert right[here].mean() == pytest.approx(p[here].mean(), abs=0.06)


def test_the_ideal_answerer_is_the_ideal_observer():
    belief = np.log([0.7, 0.2, 0.1])
    cell = {"first": 0, "shown": 0, "advised": 2, "accuracy": 80, "advice": "opposite"}
    cell |= {"setting": "fresh", "speaker": "you"}
    found = np.exp(answerers.second(belief, cell, made.IDEAL))
    assert found == pytest.approx(posterior(np.exp(belief)[None], [2], [0.8])[0])
