"""Change of mind against first confidence: lines, sigmoids and logistic regression."""

from typing import NamedTuple

import numpy as np

from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.resample import ALL, Ints, Sample, Seen, Statistic, Values
from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval

SIGMOID_RANGE = (-1.0, 2.0)  # midpoints beyond it are an artefact of flat rates


class Line(NamedTuple):
    """y = intercept + slope x."""

    slope: float
    intercept: float
    r2: float


class Sigmoid(NamedTuple):
    """p = 1 / (1 + exp(-slope (c - midpoint)))."""

    midpoint: float
    slope: float
    r2: float


def line(x: Floats, y: Floats, weights: Floats) -> Line:
    """Weighted least squares over arrays of shape (n,); NaN where x does not vary.

    R squared is weighted too, and NaN where y does not vary.
    """
    if len(x) < 3 or np.ptp(x) == 0:
        return Line(np.nan, np.nan, np.nan)
    slope, intercept = np.polyfit(x, y, 1, w=np.sqrt(weights))
    return Line(float(slope), float(intercept), _r_squared(y, slope * x + intercept, weights))


def sigmoid(x: Floats, y: Floats, weights: Floats) -> Sigmoid:
    """Weighted least squares of a two-parameter logistic curve; NaN where the fit fails.

    `x`, `y` and `weights` have shape (bins,): as in the paper, the fit is to binned rates `y` over
    `weights` trials each.
    """
    from scipy import optimize

    failed = Sigmoid(np.nan, np.nan, np.nan)
    if len(x) < 3 or np.ptp(y) == 0:
        return failed
    # Start from the line through the log-odds of the rates, kept half a trial off 0 and 1.
    inside = (y * weights + 0.5) / (weights + 1)
    b, a = np.polyfit(x, np.log(inside / (1 - inside)), 1, w=np.sqrt(weights))

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
    """The bin of each trial, shape (n,), for about `count` bins of about equal numbers of trials.

    Equal confidences, shape (n,), share a bin, so there may be fewer bins.
    """
    edges = np.unique(np.quantile(first_confidence, np.linspace(0, 1, count + 1)))
    place = np.searchsorted(edges, first_confidence, side="right") - 1
    return np.clip(place, 0, max(len(edges) - 2, 0))


def by_confidence(bins: Ints, with_sigmoids: bool) -> Statistic:
    """Rate of change by bin of first confidence, and the fits to it.

    For each display x advice, and over all conditions; with sigmoids, also under hidden-opposite
    for each accuracy (figure 4) and for all accuracies. `bins` has shape (n,).
    """

    def statistic(given: Sample, seen: Seen, weights: Floats) -> Values:
        changed = given.changed
        found: Values = {}
        everything = ((ALL, ALL, ALL), np.arange(len(changed)))
        for (display, advice, accuracy), rows in [everything, *given.groups]:
            curve = with_sigmoids and (display, advice) == ("hidden", "opposite")
            if (accuracy != ALL and not curve) or (display != ALL and advice == ALL):
                continue
            x, y, w = binned(seen.before[rows], changed[rows], weights[rows], bins[rows])
            key = (display, advice, accuracy)
            for bin_, at, rate in zip(np.flatnonzero(w), x[w > 0], y[w > 0], strict=True):
                found["confidence_in_bin", *key, str(bin_)] = float(at)
                found["change_by_confidence", *key, str(bin_)] = float(rate)
            x, y, w = x[w > 0], y[w > 0], w[w > 0]
            straight = line(x, y, w)
            found |= {(f"line_{part}", *key, ""): v for part, v in straight._asdict().items()}
            if curve:
                bent = sigmoid(x, y, w)
                found |= {(f"sigmoid_{part}", *key, ""): v for part, v in bent._asdict().items()}
                found["sigmoid_less_line_r2", *key, ""] = bent.r2 - straight.r2
        accuracies = [str(a) for a in np.unique(given.accuracy)]
        for high in accuracies[1:]:
            first, last = (
                found.get(("sigmoid_midpoint", "hidden", "opposite", a, ""), np.nan)
                for a in (accuracies[0], high)
            )
            found["midpoint_rise", "hidden", "opposite", high, ""] = last - first
        return found

    return statistic


def binned(x: Floats, y: Floats, weights: Floats, bins: Ints) -> tuple[Floats, Floats, Floats]:
    """Weighted means of x and y per bin, and the bins' weights, shape (bins,); NaN in empty bins.

    The arguments have shape (n,).
    """
    size = int(bins.max()) + 1
    w: Floats = np.bincount(bins, weights, size).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(bins, weights * x, size) / w, np.bincount(bins, weights * y, size) / w, w


def logistic(experiment: str, given: Sample, seen: Seen) -> list[Row]:
    """Logistic regression of change of mind; standard errors are clustered by place.

    Covariates (assumed; the paper's are not known): answer shown, advice (against neutral),
    stated accuracy / 100 %, first confidence. One score per coefficient, `logit_<covariate>`, with
    Student's t interval. A condition in which the answer never, or always, changes has no finite
    coefficient and no score; nor has a covariate that is the same in all trials, nor any where the
    covariates together separate the outcomes.
    """
    import statsmodels.api as sm

    changed = given.changed
    if np.ptp(changed) == 0 or "shown" not in given.displays:
        return []
    columns = {
        "shown": given.display == given.displays.index("shown"),
        "same": given.advice == given.advices.index("same"),
        "opposite": given.advice == given.advices.index("opposite"),
        "accuracy": given.accuracy / 100,
        "first_confidence": seen.before,
    }
    columns = {name: column for name, column in columns.items() if column.min() < column.max()}
    if not columns:
        return []
    design = sm.add_constant(np.stack(list(columns.values()), axis=1))
    try:
        fit = sm.GLM(changed, design, family=sm.families.Binomial()).fit(
            cov_type="cluster", cov_kwds={"groups": given.cluster}, use_t=True
        )
    except np.linalg.LinAlgError:  # separated by several covariates together, or collinear
        return []
    found = zip(columns.items(), fit.params[1:], *fit.conf_int()[1:].T, strict=True)
    return [
        scores.interval(
            experiment, f"logit_{name}", Interval(value, low, high, given.clusters), units="places"
        )
        for (name, column), value, low, high in found
        if not _separated(column, changed)
    ]


def _separated(column: Floats, changed: Floats) -> bool:
    """Whether the outcome is constant where a flag is set, or where it is not; shape (n,) each."""
    if column.dtype != bool:
        return False
    return any(
        np.ptp(changed[rows]) == 0 for rows in (column, np.logical_not(column)) if rows.any()
    )


def _r_squared(y: Floats, predicted: Floats, weights: Floats) -> float:
    around = (weights * (y - np.average(y, weights=weights)) ** 2).sum()
    return float(1 - (weights * (y - predicted) ** 2).sum() / around) if around else np.nan


def _logistic(x: Floats) -> Floats:
    from scipy.special import expit

    return expit(x)
