"""Section 3's inequalities against brute force over random bounded logits and over all strings."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workflow_scripts.perplexity import bounds, theory

floors = st.sampled_from([1e-3, 1e-6, 1e-12])


def softmax(logits: np.ndarray, theta: float = 1.0) -> np.ndarray:
    weights = np.exp(logits / theta - (logits / theta).max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@given(st.integers(1, 300), st.floats(0.0, 1.0), st.floats(0.5, 8.0), floors, st.integers(0, 2**32))
def test_corrected_bound_over_random_bounded_logits(n, shift, spread, floor, seed):
    """Logits of two bits on alpha, and on beta after bounded changes; filtered by the premises."""
    rng = np.random.default_rng(seed)
    logits = np.stack([rng.uniform(0.05, spread, n), np.zeros(n)], -1)
    moved = logits + rng.uniform(-shift, shift, logits.shape) / 2
    alpha, on_beta = softmax(logits), softmax(moved)
    assume((on_beta[:, 0] > 0.5).all())
    at = rng.integers(n)
    beta = np.where(np.arange(n) == at, on_beta[:, 1], on_beta[:, 0])
    apart = 0.0
    for p, q in zip(alpha[:, 0], beta, strict=True):  # float64, term by term
        apart += (-np.log(max(q, floor)) + np.log(max(p, floor))) / n
    gap = np.abs(alpha - on_beta).max()
    assert abs(apart) <= bounds.corrected(n, gap, floor) + 1e-12


def test_corrected_bound_is_close_to_tight():
    """All but the flipped bit certain: the bound is -log(floor)/n, and the difference as well."""
    beta = np.append(np.ones(99), 0.0)
    nats = float(bounds.log_perplexity(beta, 1e-6))
    assert nats == pytest.approx(float(bounds.corrected(100, 0.0, 1e-6)))


@given(st.integers(2, 50), floors)
def test_printed_form_is_negative_for_a_small_floor(n, floor):
    assert bounds.printed(n, 0.01, floor) < 0 < bounds.corrected(n, 0.01, floor)


@given(st.floats(1e-3, 1.0), floors)
def test_enough_is_enough(xi, floor):
    size, gap = bounds.enough(xi, floor)
    assert bounds.corrected(size, gap, floor) < xi


@given(st.floats(-6.0, 6.0), st.floats(0.1, 5.0))
def test_temperature_map_is_the_softmax_at_that_temperature(logit, theta):
    gamma = softmax(np.array([0.0, logit]))[1]
    expected = softmax(np.array([0.0, logit]), theta)[1]
    power = (1 - gamma) ** (1 / theta), gamma ** (1 / theta)  # as printed in remark 3.4
    found = float(bounds.tempered(gamma, theta))
    assert found == pytest.approx(expected, rel=1e-6)
    assert 1 - found == pytest.approx(power[0] / sum(power), rel=1e-6)


@given(st.lists(st.floats(0.0, 0.9), min_size=1, max_size=8))
def test_error_probability_is_the_sum_over_all_wrong_strings(doubts):
    total = 0.0
    for wrong in itertools.product([False, True], repeat=len(doubts)):
        if any(wrong):
            total += np.prod([d if w else 1 - d for d, w in zip(doubts, wrong, strict=True)])
    found = float(bounds.some_error(doubts))
    assert found == pytest.approx(total, abs=1e-12)
    assert found <= bounds.union(len(doubts), max(doubts)) + 1e-12


def test_theory_table_holds_and_a_broken_bound_would_show(monkeypatch):
    def broken() -> dict:
        rows = theory.lemma(np.random.default_rng(1), 20, [2, 16, 128])
        return {row.get("form", row["metric"]): row["value"] for row in rows[:2]}

    assert broken()["corrected"] == 0
    assert broken()["printed"] > 0
    real = bounds.corrected
    monkeypatch.setattr(bounds, "corrected", lambda n, gap, floor: 0.1 * real(n, gap, floor))
    assert broken()["corrected"] > 0


def test_sampled_error_rates_agree_with_the_exact_ones():
    rows = theory.unions(np.random.default_rng(2), 4000, [4, 64], [0.01], 0.001)
    values = {(row.get("string"), row.get("size"), row["metric"]): row for row in rows}
    for string in ("alpha", "beta"):
        for size in (4, 64):
            rate = values[string, size, "error_rate"]
            exact = values[string, size, "error_exact"]["value"]
            assert rate["ci_low"] - 0.01 <= exact <= rate["ci_high"] + 0.01
