"""Iso-perplexity: reference values, root finding, and predictors simulated one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from workflow_scripts.perplexity import isoperplexity, theory

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
CRITICAL = {
    0.4: (0.5355, 0.5788, 0.6462, 0.7232, 0.7883, 0.8714),
    0.1: (0.5204, 0.5518, 0.6085, 0.6783, 0.7402, 0.8258),
}
MINIMA = {0.7: (0.6724, 0.181), 0.8: (0.7211, 0.303), 0.9: (0.7597, 0.399), 1.0: (0.7924, 0.481)}

accuracies = st.floats(0.01, 0.99)
gammas = st.floats(0.02, 0.48)


def simulated(accuracy: float, gamma: float) -> float:
    """Log-perplexity of 10,000 predictions, the first `accuracy` of them right."""
    right = np.arange(10_000) < round(10_000 * accuracy)
    return float(-np.log(np.where(right, 1 - gamma, gamma)).mean())


@pytest.mark.parametrize("gamma", CRITICAL)
def test_reference_values(gamma):
    found = isoperplexity.critical_accuracy(0.5, gamma, np.array(SHARES) * gamma)
    assert found == pytest.approx(CRITICAL[gamma], abs=5e-5)


@pytest.mark.parametrize("accuracy", MINIMA)
def test_reference_minima(accuracy):
    least, at = isoperplexity.minimum(accuracy, 0.4)
    assert (least, at) == pytest.approx(MINIMA[accuracy], abs=5e-4)


@given(accuracies, gammas, st.floats(0.0, 0.95))
def test_critical_accuracy_is_where_simulated_perplexities_meet(accuracy, gamma, share):
    left = gamma * (1 - share)
    accuracy = round(accuracy, 4)  # what 10,000 predictions can have
    base = simulated(accuracy, gamma)
    at_0, at_1 = simulated(0.0, left), simulated(1.0, left)
    # Between all wrong and all right perplexity is linear in accuracy.
    expected = (at_0 - base) / (at_0 - at_1)
    found = float(isoperplexity.critical_accuracy(accuracy, gamma, gamma - left))
    assert found == pytest.approx(expected, abs=1e-9)


@given(accuracies, gammas)
def test_minimum_agrees_with_a_search(accuracy, gamma):
    found = minimize_scalar(
        lambda share: float(isoperplexity.critical_accuracy(accuracy, gamma, share * gamma)),
        bounds=(0, 0.9999),
        method="bounded",
        options={"xatol": 1e-9},
    )
    least, at = isoperplexity.minimum(accuracy, gamma)
    assert least <= found.fun + 1e-9
    if at > 0.01 and at < 0.99:
        assert (least, at) == pytest.approx((found.fun, found.x), abs=1e-4)
        calibrated = 1 - gamma * (1 - at)
        assert least == pytest.approx(calibrated, abs=1e-9)
    if at == 0:
        assert not isoperplexity.free_lunch(accuracy, gamma)


def test_free_lunch_at_gamma_04_starts_at_accuracy_06():
    """The slope of the critical accuracy at shift 0 changes its sign there."""

    def slope(accuracy: float) -> float:
        ends = isoperplexity.critical_accuracy(accuracy, 0.4, np.array([-1e-6, 1e-6]))
        return float(np.diff(ends)[0])

    root = brentq(slope, 0.5, 0.9)
    assert root == pytest.approx(0.6, abs=1e-6)
    assert not isoperplexity.free_lunch(root - 1e-3, 0.4)
    assert isoperplexity.free_lunch(root + 1e-3, 0.4)


def test_checks_of_the_theory_table_notice_a_wrong_formula(monkeypatch):
    values = {
        row["metric"]: row["value"] for row in theory.iso_checks(np.random.default_rng(0), 50)
    }
    assert values["equal_perplexity_error_nats"] < 1e-12
    real = isoperplexity.critical_accuracy
    monkeypatch.setattr(isoperplexity, "critical_accuracy", lambda *given: real(*given) + 0.01)
    values = {
        row["metric"]: row["value"] for row in theory.iso_checks(np.random.default_rng(0), 50)
    }
    assert values["equal_perplexity_error_nats"] > 1e-4
