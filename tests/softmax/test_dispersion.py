"""Closed forms of the theory against brute force and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats

from workflow_scripts.softmax import dispersion

LOGITS = arrays(float, st.integers(2, 30), elements=st.floats(-8, 8))


@given(LOGITS, st.floats(0.2, 3.0))
def test_weights_stay_within_the_bounds(logits, theta):
    low, high = dispersion.bounds(len(logits), float(np.ptp(logits)), theta)
    weights = dispersion.softmax(logits, theta)
    assert weights.min() >= low * (1 - 1e-9)
    assert weights.max() <= high * (1 + 1e-9)
    tightest = dispersion.largest_weight(len(logits), float(np.ptp(logits)), theta)
    assert weights.max() <= tightest * (1 + 1e-9)


@given(LOGITS, st.floats(0.1, 3.0))
def test_entropy_falls_at_the_stated_rate(logits, beta):
    step = 1e-5
    ends = [stats.entropy(dispersion.softmax(logits * b)) for b in (beta - step, beta + step)]
    slope = dispersion.entropy_slope(logits, beta)
    assert slope <= 0
    assert slope == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-6)


@given(LOGITS)
def test_entropy_never_under_its_floor(logits):
    floor = dispersion.entropy_floor(len(logits), float(np.ptp(logits)))
    assert dispersion.entropy_nats(dispersion.softmax(logits)) >= floor - 1e-9


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 6), st.floats(0.2, 6.0), st.integers(0, 1000))
def test_floor_is_what_an_optimiser_finds(items, spread, seed):
    """A box-constrained search from random starts reaches the floor and never gets lower."""
    rng = np.random.default_rng(seed)
    found = min(
        optimize.minimize(
            lambda e: float(dispersion.entropy_nats(dispersion.softmax(e))),
            rng.uniform(0, spread, items),
            bounds=[(0, spread)] * items,
        ).fun
        for _ in range(12)
    )
    floor = dispersion.entropy_floor(items, spread)
    assert floor - 1e-6 <= found <= floor + 0.05


def test_floor_for_small_spreads_is_not_the_lone_maximum():
    lone = dispersion.two_level_entropy(100, np.asarray([1]), 0.1)[0]
    assert dispersion.entropy_floor(100, 0.1) < lone - 1e-4


def test_floor_tends_to_ln_n():
    gaps = [np.log(n) - dispersion.entropy_floor(n, 2.0) for n in (10**2, 10**3, 10**4)]
    assert np.ptp(gaps) < 0.05
    gaps = [
        np.log(n) - dispersion.two_level_entropy(n, np.asarray([1]), 5.0)[0] for n in (1e3, 1e6)
    ]
    assert gaps[1] < 0.01 < gaps[0]


def test_threshold_at_the_published_spread_of_gemma():
    """exp(5.69) is about 296: a weight of one half is out of reach beyond 297 items."""
    assert dispersion.items_below(0.5, 5.69) == pytest.approx(297, abs=1)
    assert dispersion.largest_weight(297, 5.69) == pytest.approx(0.5, abs=1e-3)


def test_spread_bound_is_reached_by_aligned_inputs():
    """Rank-one maps with keys at both ends of the query: the bound holds with equality."""
    axis = np.asarray([1.0, 0.0])
    logits_map = 3.0 * np.outer(axis, axis)
    keys = np.stack([2.0 * axis, -2.0 * axis])
    logits = (keys @ logits_map) @ (axis @ logits_map)
    bound = dispersion.spread_bound(logits_map, logits_map, axis, keys, 1.0)
    assert np.ptp(logits) == pytest.approx(bound)
