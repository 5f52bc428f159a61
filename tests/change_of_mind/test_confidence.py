"""Confidence, the ideal observer and OUCS, against closed forms, simulation and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.change_of_mind import confidence
from workflow_scripts.shared.fingerprint import ROOT

shares = st.floats(0.01, 0.99)


def oucs(confidence, observed, bins):
    """The paper's score: sum over equal bins of |B|/N (mean confidence - mean observed)."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [(place == b).mean() * (confidence - observed)[place == b].mean() for b in set(place)]
    return sum(gaps)


@given(shares, st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]))
def test_two_options_as_in_the_closed_form(c, a):
    prior = np.array([[c, 1 - c]] * 3)
    same, opposite, neutral = confidence.posterior(prior, [0, 1, -1], [a, a, a])[:, 0]
    assert same == pytest.approx(a * c / (a * c + (1 - a) * (1 - c)))
    assert opposite == pytest.approx((1 - a) * c / ((1 - a) * c + a * (1 - c)))
    assert neutral == pytest.approx(c)


def test_four_options_against_a_simulated_adviser():
    rng = np.random.default_rng(0)
    prior, accuracy, draws = np.array([0.5, 0.2, 0.2, 0.1]), 0.7, 400_000
    truth = rng.choice(4, draws, p=prior)
    wrong = (truth + rng.integers(1, 4, draws)) % 4
    said = np.where(rng.random(draws) < accuracy, truth, wrong)
    for advised in range(4):
        seen = np.bincount(truth[said == advised], minlength=4) / (said == advised).sum()
        found = confidence.posterior(prior[None], [advised], [accuracy])[0]
        assert found == pytest.approx(seen, abs=0.01)


def test_absent_options_take_no_part():
    prior = np.array([[0.6, 0.4, 0.0, 0.0]])
    two = confidence.posterior(prior[:, :2], [1], [0.8])
    assert confidence.posterior(prior, [1], [0.8])[:, :2] == pytest.approx(two)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=60), st.integers(1, 20))
def test_bins_of_oucs_cancel_against_the_ideal(pairs, bins):
    """The study therefore scores the difference of the two means."""
    final, ideal = np.array(pairs).T
    assert oucs(final, ideal, bins) == pytest.approx(final.mean() - ideal.mean())


def test_published_oucs_give_the_published_gain_of_the_12b_model():
    """With the ideal observer equal in both displays, the gain is the difference of two OUCS."""
    folder = ROOT / "resources" / "published"
    table = pd.read_csv(folder / "change_of_mind_oucs.csv")
    table = table[(table["model"] == "Gemma-3-12B") & (table["advice_type"] == "neutral")]
    known = table.set_index("display_type")["oucs"]
    gain = pd.read_csv(folder / "change_of_mind_confidence_boost.csv").set_index("model")
    assert known["shown"] - known["hidden"] == pytest.approx(
        gain.loc["Gemma-3-12B", "confidence_gain_from_seeing_own_answer"], abs=0.005
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.3])
def test_the_temperature_is_the_inverse_slope_of_a_logistic_regression(temperature):
    """For two options: right = logistic(log-odds / T), which scikit-learn fits without penalty."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    odds = rng.normal(size=4000) * 2 * temperature
    right = (rng.random(4000) > 1 / (1 + np.exp(-odds / temperature))).astype(int)
    logprobs = np.stack([odds, np.zeros(4000)], axis=1)
    found = confidence.fit_temperature(logprobs, right)
    peer = LogisticRegression(C=np.inf, fit_intercept=False).fit(odds[:, None], right == 0)
    assert found == pytest.approx(1 / peer.coef_[0, 0], rel=0.01)
    assert found == pytest.approx(temperature, rel=0.1)
    doubled = confidence.fit_temperature(logprobs[:50], right[:50], np.full(50, 2.0))
    assert doubled == pytest.approx(confidence.fit_temperature(logprobs[:50], right[:50]))


@given(st.lists(st.floats(-30, 0), min_size=2, max_size=4), st.floats(0.1, 10))
def test_confidence_is_a_softmax(logprobs, temperature):
    from scipy.special import softmax

    found = confidence.probabilities(np.array([[*logprobs, -np.inf]]), temperature)[0]
    assert found[:-1] == pytest.approx(softmax(np.array(logprobs) / temperature))
    assert found[-1] == 0
