"""The share of the conditioned arm's loss that repeats account for: a regression.

Least squares with question effects: an attempt's correctness on its arm and log(1 + tokens of its
history), with and without an indicator of a repeat (an answer that was given earlier in the set).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential.metrics import Sets

NAMES = ("arm", "log_history", "repeat")


def design(parallel: Sets, sequential: Sets) -> tuple[NDArray[Any], NDArray[Any]]:
    """Regressors (Q, M, 3) and correctness (Q, M) of the M attempts of both arms at a question."""
    parts, outcomes = [], []
    for conditioned, sets in enumerate((parallel, sequential)):
        history = np.log1p(np.maximum(sets.history_tokens, 0)) * conditioned
        arm = np.full_like(history, conditioned)
        parts.append(np.stack([arm, history, seen_before(sets.answers)], -1))
        outcomes.append(sets.correct)
    count = len(parallel.questions)
    x = np.concatenate([part.reshape(count, -1, len(NAMES)) for part in parts], axis=1)
    return x, np.concatenate([each.reshape(count, -1) for each in outcomes], axis=1)


def seen_before(answers: NDArray[Any]) -> NDArray[Any]:
    """1 where an answer was given earlier in its set, else 0; both arrays (Q, C, N)."""
    found = np.zeros(answers.shape)
    for k in range(1, answers.shape[-1]):
        here = answers[..., k]
        found[..., k] = ((answers[..., :k] == here[..., None]).any(-1)) & (here != "")
    return found


def moments(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """(Q, 12): cross products of regressors (Q, M, 3) and outcome (Q, M), centred per question."""
    x = x - x.mean(1, keepdims=True)
    y = y - y.mean(1, keepdims=True)
    squares = np.einsum("qmi,qmj->qij", x, x).reshape(len(x), -1)
    return np.concatenate([squares, np.einsum("qmi,qm->qi", x, y)], axis=1)


def solve(total: NDArray[Any], used: Sequence[str]) -> NDArray[Any]:
    """Coefficients (..., len(used)) of the named regressors from summed moments (..., 12)."""
    size = len(NAMES)
    at = [NAMES.index(name) for name in used]
    squares = total[..., : size * size].reshape(*total.shape[:-1], size, size)[..., at, :][..., at]
    products = total[..., size * size :][..., at]
    # A regressor that does not vary in a resample has no coefficient: the pseudo-inverse gives 0.
    return (np.linalg.pinv(squares, hermitian=True) @ products[..., None])[..., 0]


def coefficients(*columns: NDArray[Any], axis: int = 0) -> NDArray[Any]:
    """`RESULTS`, shape (7, ...), from the 12 moments as columns, each summed over `axis`."""
    total = np.stack([column.sum(axis) for column in columns], -1)
    plain, full = solve(total, NAMES[:2])[..., 0], solve(total, NAMES)
    alone, pair = solve(total, ("arm",))[..., 0], solve(total, ("arm", "repeat"))[..., 0]
    return np.stack(
        [plain, full[..., 0], full[..., 2], full[..., 0] - plain / 2, full[..., 1], alone, pair]
    )


RESULTS = (
    "arm_effect",
    "arm_effect_given_repeats",
    "repeat_effect",
    "arm_effect_beyond_half",
    "log_history_effect",
    "arm_effect_alone",  # without the history's length: the arm's mean loss
    "arm_effect_alone_given_repeats",
)


def statistic(which: int) -> Any:
    """One of `RESULTS` as a statistic for the bootstrap.

    `arm_effect_beyond_half` is the arm's effect given repeats minus half of the effect without that
    term. It is positive if repeats account for more than half of a loss.
    """

    def of(*columns: NDArray[Any], axis: int = 0) -> NDArray[Any]:
        return coefficients(*columns, axis=axis)[which]

    return of
