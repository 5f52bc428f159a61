"""Functions of data: what the study measures, without tables, rules or claims."""

import numpy as np
from numpy.typing import NDArray


def spread(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation over the last axis, shape (..., draws) to (...)."""
    return means.std(axis=-1, ddof=1)


def log_slope(sizes: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares slopes of log `values`, shape (seeds, sizes), against log `sizes`: (seeds,)."""
    return np.polyfit(np.log(sizes), np.log(values).T, 1)[0]
