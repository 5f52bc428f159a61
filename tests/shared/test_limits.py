"""Limits of curves whose limit is known, and the coverage of their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.shared import limits

SIZES = np.array([5, 10, 31, 100, 316, 1000, 3162, 10_000])


@given(st.floats(-1, 1), st.floats(0.2, 5), st.floats(0.2, 2))
def test_an_exact_curve_gives_its_limit_back(limit, factor, exponent):
    found = limits.fit(SIZES, limit + factor * SIZES**-exponent)
    assert found.limit == pytest.approx(limit, abs=1e-4 * factor)
    assert found.exponent == pytest.approx(exponent, abs=1e-3)
    assert found.factor == pytest.approx(factor, rel=1e-2)


def drawn(rng, limit, exponent, noise, units=8):
    """Noisy curves (units, sizes) with the given limit; the noise is in proportion."""
    exact = limit + SIZES**-exponent
    return exact * np.exp(noise * rng.normal(size=(units, len(SIZES))))


@pytest.mark.parametrize(("limit", "exponent"), [(0.0, 1.0), (0.0, 0.5), (0.05, 1.0), (0.01, 0.5)])
def test_intervals_cover_the_limit_at_about_the_nominal_rate(limit, exponent):
    rng = np.random.default_rng(0)
    expected = limit * np.exp(0.2**2 / 2)  # the mean of log-normal noise
    covered = 0
    for _ in range(100):
        found = limits.limit(SIZES, drawn(rng, limit, exponent, 0.2))
        covered += found.low <= expected <= found.high
    assert covered >= 88


def test_a_curve_that_levels_off_is_told_from_one_that_vanishes():
    rng = np.random.default_rng(1)
    levels = limits.limit(SIZES, drawn(rng, 0.06, 1.0, 0.1))
    vanishes = limits.limit(SIZES, drawn(rng, 0.0, 1.0, 0.1))
    assert levels.low > 2.0**-7
    assert vanishes.low < 0 < vanishes.high < 2.0**-7


@pytest.mark.parametrize("curve", [SIZES**-0.05, 1 - 0.05 * np.log(SIZES)])
def test_a_curve_that_falls_too_slowly_has_no_interval(curve):
    """n^-0.05 vanishes; its fit gave a limit of 0.33 in an interval 0.02 wide."""
    rng = np.random.default_rng(3)
    found = limits.limit(SIZES, curve * np.exp(0.01 * rng.normal(size=(8, len(SIZES)))))
    assert np.isnan([found.low, found.high]).all()


def test_a_flat_curve_has_its_level_as_its_limit():
    rng = np.random.default_rng(4)
    curves = np.exp(0.05 * rng.normal(size=(20, 8, len(SIZES))))
    assert sum(limits.limit(SIZES, curve).low > 0.5 for curve in curves) >= 17


def test_equal_noise_is_weighted_equally():
    rng = np.random.default_rng(2)
    values = 0.3 + SIZES**-0.7 + 0.01 * rng.normal(size=(10, len(SIZES)))
    found = limits.limit(SIZES, values, relative=False)
    assert found.low < 0.3 < found.high
    assert found.high - found.low < 0.1


def test_one_unit_has_no_interval_and_three_sizes_no_fit():
    found = limits.limit(SIZES, [0.1 + SIZES**-1.0])
    assert found.value == pytest.approx(0.1, abs=1e-4)
    assert np.isnan([found.low, found.high]).all()
    with pytest.raises(ValueError, match="at least 4 sizes"):
        limits.limit(SIZES[:3], np.ones((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        limits.limit(SIZES, np.full((2, len(SIZES)), np.nan))
