"""Lines, sigmoids, logistic regression and bootstrap, against SciPy, statsmodels and theory."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from tests.change_of_mind import made
from workflow_scripts.change_of_mind import curves, metrics, resample


def test_the_line_is_statsmodels_weighted_line():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    x, weights = rng.random(12), rng.integers(1, 50, 12).astype(float)
    y = 0.8 - 0.5 * x + 0.05 * rng.normal(size=12)
    found = curves.line(x, y, weights)
    peer = sm.WLS(y, sm.add_constant(x), weights).fit()
    assert (found.intercept, found.slope) == pytest.approx(tuple(peer.params))
    assert found.r2 == pytest.approx(peer.rsquared)


@pytest.mark.parametrize(("midpoint", "slope"), [(0.77, -11.8), (0.92, -15.2), (0.5, 6.0)])
def test_the_sigmoid_is_scipys_and_finds_the_published_shapes(midpoint, slope):
    rng = np.random.default_rng(1)
    x = np.linspace(0.5, 1, 20)
    p = 1 / (1 + np.exp(-slope * (x - midpoint)))
    trials = np.full(20, 400.0)
    y = rng.binomial(400, p) / 400
    found = curves.sigmoid(x, y, trials)
    assert found.midpoint == pytest.approx(midpoint, abs=0.02)
    peer, _ = optimize.curve_fit(
        lambda c, x0, k: 1 / (1 + np.exp(-k * (c - x0))), x, y, [0.8, np.sign(slope) * 8]
    )
    assert (found.midpoint, found.slope) == pytest.approx(tuple(peer), rel=1e-4)
    assert found.r2 > 0.9


def test_flat_rates_have_no_midpoint():
    x, weights = np.linspace(0.5, 1, 8), np.full(8, 20.0)
    assert np.isnan(curves.sigmoid(x, np.full(8, 0.3), weights).midpoint)
    assert np.isnan(curves.line(x, np.full(8, 0.3), weights).r2)


def test_bins_hold_about_equal_numbers():
    values = np.random.default_rng(2).random(1000)
    assert np.bincount(curves.confidence_bins(values, 10)).tolist() == pytest.approx(
        [100] * 10, abs=1
    )
    assert set(curves.confidence_bins(np.full(50, 0.5), 10)) == {0}


def sample():
    return resample.sample(made.rows(made.tried("biased"), experiment="E1"))


def test_logistic_coefficients_are_the_maximum_of_the_likelihood():
    from sklearn.linear_model import LogisticRegression

    given = sample()
    seen = resample.seen(given, 2.0)
    found = pd.DataFrame(curves.logistic("E1", given, seen)).set_index("metric")
    x = np.stack(
        [
            given.display == given.displays.index("shown"),
            given.advice == given.advices.index("same"),
            given.advice == given.advices.index("opposite"),
            given.accuracy / 100,
            seen.before,
        ],
        axis=1,
    ).astype(float)
    peer = LogisticRegression(C=np.inf, tol=1e-8, max_iter=2000).fit(x, given.final != given.first)
    names = ["shown", "same", "opposite", "accuracy", "first_confidence"]
    values = [found.loc[f"logit_{name}", "value"] for name in names]
    assert values == pytest.approx(peer.coef_[0].tolist(), abs=5e-3)
    assert (found["ci_low"] < found["value"]).all()


def test_rates_are_plain_shares_of_trials():
    given = sample()
    found = metrics.means(given, resample.seen(given, 2.0), np.ones(len(given.first)))
    frame = made.rows(made.tried("biased"), experiment="E1")
    frame = frame.assign(changed=frame["first"] != frame["final"])
    cells = frame.groupby(["display", "advice", "accuracy"])["changed"].mean()
    for (display, advice, accuracy), rate in cells.items():
        assert found["change_rate", display, advice, str(accuracy), ""] == pytest.approx(rate)
    pooled = frame.groupby("display")["changed"].mean()
    gap = pooled["hidden"] - pooled["shown"]
    assert found["change_rate_gap", "", "all", "all", ""] == pytest.approx(gap)


def test_the_bootstrap_has_the_textbook_error_of_a_clustered_mean():
    """For equal clusters: the standard error of the mean of cluster means."""
    given = sample()
    fitted = resample.Temperatures(2.0, np.full(800, 2.0))
    rng = np.random.default_rng(3)

    def statistic(given, seen, weights):
        changed = given.final != given.first
        return {("rate", "", "", "", ""): float((changed * weights).sum() / weights.sum())}

    (row,) = resample.estimate("E1", given, fitted, [(statistic, rng)])
    changed = (given.final != given.first).astype(float)
    means = np.bincount(given.cluster, changed) / np.bincount(given.cluster)
    error = means.std(ddof=1) / np.sqrt(given.clusters)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert row["n"] == given.clusters


def test_draws_without_spread_have_no_interval_of_width_0():
    same = np.zeros(200)
    found = resample.percentiles(0.0, same, 100)
    assert np.isnan([found.low, found.high]).all()
    rate = resample.percentiles(0.0, same, 100, bounds=(0, 1))
    assert (rate.low, rate.high) == (0, pytest.approx(1 - 0.025 ** (1 / 100)))
    gap = resample.percentiles(1e-17, same + 1e-17, 100, bounds=(-1, 1))
    assert (gap.value, gap.low, gap.high) == (0, -rate.high, rate.high)
    few = resample.percentiles(0.5, np.linspace(0, 1, 200), 9)
    assert np.isnan([few.low, few.high]).all()


def test_a_condition_without_changes_has_no_coefficient():
    """The maximum of the likelihood is at infinity, and its clustered error is far too small."""
    given = sample()
    seen = resample.seen(given, 2.0)
    kept = given.display == given.displays.index("shown")
    final = np.where(kept, given.first, given.final)
    never = dataclasses.replace(given, final=final)
    names = {row["metric"] for row in curves.logistic("E1", never, seen)}
    assert "logit_shown" not in names
    assert {"logit_same", "logit_opposite"} <= names


def test_a_covariate_that_never_varies_has_no_coefficient():
    """A small real model may choose its first option with the same confidence every time."""
    given = sample()
    seen = resample.seen(given, 2.0)
    same = seen._replace(before=np.full_like(seen.before, 0.7))
    names = {row["metric"] for row in curves.logistic("E1", given, same)}
    assert names == {"logit_shown", "logit_same", "logit_opposite", "logit_accuracy"}


def test_covariates_that_separate_the_outcomes_together_have_no_coefficients():
    """So few trials that confidence and accuracy tell every change."""
    given = sample()
    seen = resample.seen(given, 2.0)
    score = seen.before + given.accuracy / 50 + np.linspace(0, 1e-6, len(seen.before))
    final = np.where(score > np.median(score), given.first, 1 - given.first)
    apart = dataclasses.replace(given, final=final)
    for row in curves.logistic("E1", apart, seen):
        assert np.isfinite(row["value"])


def test_an_unknown_temperature_widens_the_interval():
    given = sample()
    spread = np.exp(np.random.default_rng(4).normal(np.log(2.0), 0.2, 300))
    widths = []
    for draws in (np.full(300, 2.0), spread):
        fitted = resample.Temperatures(2.0, draws)
        rng = np.random.default_rng(5)
        rows = resample.estimate("E1", given, fitted, [(metrics.means, rng)])
        row = made.rows(
            pd.DataFrame(rows), metric="confidence_before", display="hidden", advice="all"
        ).iloc[0]
        widths.append(row["ci_high"] - row["ci_low"])
    assert widths[1] > 1.3 * widths[0]


def test_one_place_that_differs_does_not_rule_out_the_other_side():
    counts = np.random.default_rng(3).multinomial(200, np.full(200, 1 / 200), 1000)
    draws = -counts[:, 0] / 200  # one of 200 places changed when shown, none when hidden
    found = resample.percentiles(-1 / 200, draws, 200, bounds=(-1, 1))
    assert found.low < found.value < 0 < found.high < 0.01
    rate = resample.percentiles(1 / 200, -draws, 200, bounds=(0, 1))
    assert rate.low == 0
    odds = resample.percentiles(0.02, -4 * draws, 200, bounds=metrics.BOUNDS["change_odds_ratio"])
    assert 0 == odds.low < odds.value < odds.high < 1
    never = resample.percentiles(0.0, 0 * draws, 200, bounds=metrics.BOUNDS["change_odds_ratio"])
    assert np.isnan([never.low, never.high]).all()
