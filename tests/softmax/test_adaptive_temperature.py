"""The published polynomial: order of its coefficients, its values and its window."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import theory

CSV = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
# beta at an entropy in nats, derived by hand from the listing of figure 4.
TABLE = {
    1.0: 1.270,
    1.5: 1.846,
    2.0: 2.099,
    np.log(16): 2.227,
    3.0: 2.250,
    4.0: 2.389,
    5.0: 2.294,
    np.log(256): 1.783,
    6.0: 1.0,
    np.log(1024): 1.0,
}


@pytest.fixture(scope="module")
def published() -> list[float]:
    return adaptive_temperature.published(CSV)


def test_highest_power_comes_first(published):
    assert published == [-0.037, 0.481, -2.3, 4.917, -1.791]


@pytest.mark.parametrize(("entropy", "beta"), TABLE.items())
def test_values_agree_with_the_table(published, entropy, beta):
    found = adaptive_temperature.inverse_temperature(published, np.asarray([entropy]))
    assert found[0] == pytest.approx(beta, abs=5e-4)


def test_raw_value_past_the_window_is_below_one(published):
    assert adaptive_temperature.raw(published, 6.0) == pytest.approx(0.855, abs=5e-4)
    assert adaptive_temperature.raw(published, np.log(16384)) == pytest.approx(-59, abs=0.5)


def test_reversed_coefficients_sharpen_elsewhere(published):
    """A known mistake: the first coefficient used as the constant."""
    low, high = adaptive_temperature.window(published[::-1])[-2:]
    assert adaptive_temperature.window(published) == pytest.approx([0.8485, 5.9445], abs=1e-4)
    assert (low, high) == pytest.approx((0.92, 2.15), abs=0.02)


def test_peak(published):
    assert theory.peak_beta(published) == pytest.approx((4.41, 2.421), abs=5e-3)


@given(st.floats(0.0, 10.0))
def test_sharpens_exactly_within_the_window(entropy):
    coefficients = adaptive_temperature.published(CSV)
    beta = adaptive_temperature.inverse_temperature(coefficients, np.asarray(entropy))
    low, high = 0.84858, 5.94453
    if low < entropy < high - 1e-4:
        assert beta >= 1.0
    else:
        assert beta == pytest.approx(1.0, abs=1e-3)


def test_half_a_nat_is_left_alone():
    """Even a polynomial that would sharpen there."""
    beta = adaptive_temperature.inverse_temperature([0.0, 0, 0, 0, 3.0], np.asarray([0.5, 0.51]))
    assert beta.tolist() == [1.0, 3.0]


def test_domain_holds_the_ends():
    entropies = np.asarray([2.0, 9.0])
    beta = adaptive_temperature.inverse_temperature([1.0, 0.0], entropies, domain=(1.0, 4.0))
    assert beta.tolist() == [2.0, 4.0]


def test_missing_power_is_named(tmp_path):
    path = tmp_path / "polynomial.csv"
    path.write_text("power_of_entropy,coefficient\n4,1.0\n")
    with pytest.raises(ValueError, match=r"polynomial\.csv: expected each of the powers"):
        adaptive_temperature.published(path)
