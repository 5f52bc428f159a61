"""Change of mind against first confidence: lines, sigmoids, and a logistic regression."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.resample import ALL, Ints, Sample, Seen, Statistic, Values

SIGMOID_RANGE = (-1.0, 2.0)  # midpoints beyond are an artefact of rates that are flat


class Line(NamedTuple):
    slope: float
    intercept: float
    r2: float


class Sigmoid(NamedTuple):
    """p = 1 / (1 + exp(-slope (c - midpoint)))."""

    midpoint: float
    slope: float
    r2: float


def line(x: Floats, y: Floats, weights: Floats) -> Line:
    """Weighted least squares; R squared is weighted too, NaN where y does not vary."""
    if len(x) < 3 or np.ptp(x) == 0:
        return Line(np.nan, np.nan, np.nan)
    slope, intercept = np.polyfit(x, y, 1, w=np.sqrt(weights))
    return Line(float(slope), float(intercept), _r_squared(y, slope * x + intercept, weights))


def sigmoid(x: Floats, y: Floats, weights: Floats) -> Sigmoid:
    """Weighted least squares of a two-parameter logistic curve; NaN where there is none.

    `y` are rates over `weights` trials each, as in the paper: a fit to binned rates.
    """
    from scipy import optimize

    failed = Sigmoid(np.nan, np.nan, np.nan)
    if len(x) < 3 or np.ptp(y) == 0:
        return failed
    # Start from the line through the log-odds of the rates, held off 0 and 1 by half a trial.
    held = (y * weights + 0.5) / (weights + 1)
    b, a = np.polyfit(x, np.log(held / (1 - held)), 1, w=np.sqrt(weights))

    def residuals(p: Floats) -> Floats:
        return np.sqrt(weights) * (_logistic(p[0] + p[1] * x) - y)

    def jacobian(p: Floats) -> Floats:
        q = _logistic(p[0] + p[1] * x)
        scale = np.sqrt(weights) * q * (1 - q)
        return np.stack([scale, scale * x], axis=1)

    found = optimize.least_squares(residuals, [a, b], jacobian, method="lm", max_nfev=200)
    a, b = found.x
    midpoint = -a / b if b else np.nan
    if not SIGMOID_RANGE[0] < midpoint < SIGMOID_RANGE[1]:
        return failed
    return Sigmoid(float(midpoint), float(b), _r_squared(y, _logistic(a + b * x), weights))


def confidence_bins(first_confidence: Floats, count: int) -> Ints:
    """Bins of about equal numbers of trials, (n,); ties stay together, so there may be fewer."""
    edges = np.unique(np.quantile(first_confidence, np.linspace(0, 1, count + 1)))
    place = np.searchsorted(edges, first_confidence, side="right") - 1
    return np.clip(place, 0, max(len(edges) - 2, 0))


def by_confidence(bins: Ints, with_sigmoids: bool) -> Statistic:
    """Rate of change by bin of first confidence, and the fits to it.

    For each display x advice, and over all conditions; with sigmoids, for each accuracy under
    hidden-opposite too (figure 4), and for all of them together.
    """

    def statistic(given: Sample, seen: Seen, weights: Floats) -> Values:
        changed = (given.final != given.first).astype(float)
        found: Values = {}
        everything = ((ALL, ALL, ALL), np.arange(len(changed)))
        for (display, advice, accuracy), rows in [everything, *given.groups]:
            curve = with_sigmoids and (display, advice) == ("hidden", "opposite")
            if accuracy != ALL and not curve:
                continue
            if display != ALL and advice == ALL:
                continue
            x, y, w = binned(seen.before[rows], changed[rows], weights[rows], bins[rows])
            key = (display, advice, accuracy)
            for bin_, at, rate in zip(np.flatnonzero(w), x[w > 0], y[w > 0], strict=True):
                found["confidence_in_bin", *key, str(bin_)] = float(at)
                found["change_by_confidence", *key, str(bin_)] = float(rate)
            x, y, w = x[w > 0], y[w > 0], w[w > 0]
            straight = line(x, y, w)
            found["line_slope", *key, ""] = straight.slope
            found["line_intercept", *key, ""] = straight.intercept
            found["line_r2", *key, ""] = straight.r2
            if curve:
                bent = sigmoid(x, y, w)
                found["sigmoid_midpoint", *key, ""] = bent.midpoint
                found["sigmoid_slope", *key, ""] = bent.slope
                found["sigmoid_r2", *key, ""] = bent.r2
                found["sigmoid_less_line_r2", *key, ""] = bent.r2 - straight.r2
        accuracies = [str(a) for a in np.unique(given.accuracy)]
        for high in accuracies[1:]:
            ends = [
                found.get(("sigmoid_midpoint", "hidden", "opposite", a, ""), np.nan)
                for a in (accuracies[0], high)
            ]
            found["midpoint_rise", "hidden", "opposite", high, ""] = ends[1] - ends[0]
        return found

    return statistic


def binned(x: Floats, y: Floats, weights: Floats, bins: Ints) -> tuple[Floats, Floats, Floats]:
    """Weighted means of x and y in each bin, and the bins' weights; NaN in empty ones."""
    size = int(bins.max()) + 1
    w: Floats = np.bincount(bins, weights, size).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(bins, weights * x, size) / w, np.bincount(bins, weights * y, size) / w, w


def logistic(given: Sample, seen: Seen) -> pd.DataFrame:
    """Logistic regression of change of mind; errors allow for trials of one place being alike.

    Covariates (assumed; the paper's are not known): answer shown, advice (against neutral),
    stated accuracy / 100 %, first confidence. One row a coefficient: metric `logit_<covariate>`,
    value, interval. Empty where the answers never, or always, change.
    """
    import statsmodels.api as sm

    changed = (given.final != given.first).astype(float)
    if np.ptp(changed) == 0 or "shown" not in given.displays:
        return pd.DataFrame()

    def flag(values: Ints, names: tuple[str, ...], name: str) -> Floats:
        return (values == names.index(name)).astype(float)

    columns = {
        "shown": flag(given.display, given.displays, "shown"),
        "same": flag(given.advice, given.advices, "same"),
        "opposite": flag(given.advice, given.advices, "opposite"),
        "accuracy": given.accuracy / 100,
        "first_confidence": seen.before,
    }
    design = sm.add_constant(np.stack(list(columns.values()), axis=1))
    fit = sm.GLM(changed, design, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": given.cluster}
    )
    ends = fit.conf_int()
    rows: list[dict[str, Any]] = [
        {
            "metric": f"logit_{name}",
            "value": fit.params[place],
            "ci_low": ends[place][0],
            "ci_high": ends[place][1],
            "n": given.clusters,
        }
        for place, name in enumerate(columns, start=1)
    ]
    return pd.DataFrame(rows)


def _r_squared(y: Floats, predicted: Floats, weights: Floats) -> float:
    around = (weights * (y - np.average(y, weights=weights)) ** 2).sum()
    return float(1 - (weights * (y - predicted) ** 2).sum() / around) if around else np.nan


def _logistic(x: Floats) -> Floats:
    from scipy.special import expit

    return expit(x)
