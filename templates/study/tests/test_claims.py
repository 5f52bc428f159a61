"""Study `example_study`: its metrics against closed forms. `verdicts.py` tests its claims."""

import numpy as np

from workflow_scripts.example_study import config_checks, metrics


def test_spread_is_the_standard_deviation():
    assert metrics.spread(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist() == [2**0.5, 0.0]


def test_slope_of_a_power_law_is_its_exponent():
    sizes = np.array([1.0, 10.0, 100.0])
    slopes = metrics.log_slope(sizes, np.stack([sizes**-0.5, 3 * sizes**2]))
    np.testing.assert_allclose(slopes, [-0.5, 2.0])


def test_impossible_settings_are_named():
    (problem,) = config_checks.problems({"example_study": {"sizes": [4, 4]}})
    assert problem == "example_study.sizes: found [4, 4], allowed: at least two different sizes"
