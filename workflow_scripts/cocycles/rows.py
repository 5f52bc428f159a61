"""Rows of scores, as every script of the study makes them."""

from typing import Any

from numpy.typing import ArrayLike

from workflow_scripts.shared.statistics import proportion, seed_interval

Row = dict[str, Any]


def exact(experiment: str, metric: str, value: float, n: int, **conditions: Any) -> Row:
    """A number that was counted or computed: both ends of its interval are the value."""
    number = float(value)
    ends = {"value": number, "ci_low": number, "ci_high": number}
    return {"experiment": experiment, "metric": metric, "n": n, **ends, **conditions}


def mean(experiment: str, metric: str, values: ArrayLike, **conditions: Any) -> Row:
    """The mean over independent runs, with Student's t interval."""
    found = seed_interval(values)
    ends = {"value": found.value, "ci_low": found.low, "ci_high": found.high}
    return {"experiment": experiment, "metric": metric, "n": found.n, **ends, **conditions}


def share(experiment: str, metric: str, hits: int, n: int, **conditions: Any) -> Row:
    """A share of runs, with Wilson's interval."""
    found = proportion(hits, n)
    ends = {"value": found.value, "ci_low": found.low, "ci_high": found.high}
    return {"experiment": experiment, "metric": metric, "n": n, **ends, **conditions}
