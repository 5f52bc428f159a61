"""Study `example_study`: its metrics against closed forms, its claims on known scores."""

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.example_study import claims, config_checks, metrics
from workflow_scripts.shared.claims import Evidence, Verdict, judge
from workflow_scripts.shared.scores import mean, table


def scores_with(slope):
    """Scores of eight seeds whose spread has this log-log slope."""
    sizes = np.array([4.0, 16.0, 64.0])
    rng = np.random.default_rng(1)
    values = sizes**slope * np.exp(0.01 * rng.standard_normal((8, 3)))
    rows = [mean("E1", "spread", values[:, i], size=int(size)) for i, size in enumerate(sizes)]
    rows.append(mean("E1", "spread_slope", metrics.log_slope(sizes, values)))
    return table([rows], ["size"], whole=["size"]).assign(model="theory")


def test_spread_is_the_standard_deviation():
    assert metrics.spread(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist() == [2**0.5, 0.0]


def test_slope_of_a_power_law_is_its_exponent():
    sizes = np.array([1.0, 10.0, 100.0])
    slopes = metrics.log_slope(sizes, np.stack([sizes**-0.5, 3 * sizes**2]))
    np.testing.assert_allclose(slopes, [-0.5, 2.0])


@pytest.mark.parametrize(
    ("slope", "verdict"), [(-0.5, Verdict.SUPPORTED), (-1.0, Verdict.CONTRADICTED)]
)
def test_each_verdict_can_occur(slope, verdict):
    (claim,) = claims.all_claims()
    (entry,) = judge(claim, scores_with(slope), lambda model: Evidence.THEORY)
    assert entry["verdict"] == verdict


def test_impossible_settings_are_named():
    (problem,) = config_checks.problems({"example_study": {"sizes": [4, 4]}})
    assert problem == "example_study.sizes: found [4, 4], allowed: at least two different sizes"


def test_scores_hold_one_row_per_size():
    frame = scores_with(-0.5)
    assert isinstance(frame, pd.DataFrame)
    assert frame["size"].dropna().tolist() == [4, 16, 64]
