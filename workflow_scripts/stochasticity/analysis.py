"""From the draws of one condition to rows of scores.

`independent` draws get tests whose p-values mean what they say. Draws of chains and batches depend
on each other as far as the model makes them; their tests of fit are those of the paper, and are
read together with the tests of dependence.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from workflow_scripts.shared.statistics import (
    Interval,
    Test,
    binomial,
    bootstrap_mean,
    proportion,
    seed_interval,
)
from workflow_scripts.stochasticity import maps, measures, scoring
from workflow_scripts.stochasticity.scoring import Row
from workflow_scripts.stochasticity.targets import Target

LEVEL = 0.05
PAPER_DRAWS = 1024  # draws a condition in the paper
EFFECTS = {
    "tv": measures.total_variation,
    "kl_bits": measures.kl_bits,
    "entropy_bits": measures.entropy_bits,
}


def failures(condition: Row, frame: pd.DataFrame) -> list[Row]:
    """Share of draws that could not be read, in all and by reason."""
    n = len(frame)
    kinds = frame["failure"].value_counts()
    rows = [scoring.row(condition, "failure_rate", proportion(int(kinds.sum()), n))]
    for kind, count in sorted(kinds.items()):
        rows.append(scoring.row(condition, "failure_kind", proportion(int(count), n), str(kind)))
    return rows


def fit(condition: Row, values: NDArray, target: Target, seed: int) -> list[Row]:
    """Shares of the cells, tests of fit, effect sizes, and the distance that true draws have."""
    n = values.size
    if n == 0:
        return [scoring.absent(condition, "no reply could be read")]
    counts = target.counts(values)
    rows = [
        scoring.row(condition, "share", proportion(int(count), n), label)
        for label, count in zip(target.labels, counts, strict=True)
    ]
    for name, test in measures.goodness_of_fit(values, target, seed).items():
        rows.append(scoring.exact(condition, f"{name}_p", test.p, n))
        rows.append(scoring.exact(condition, f"{name}_statistic", test.statistic, n))
        if name == "chi_square":
            rate = rejection_rate(test, target.size - 1)
            rows.append(scoring.row(condition, "rejection_rate", rate))
    for name, measure in EFFECTS.items():
        interval = measures.over_counts(counts, measure, target.probabilities, seed)
        rows.append(scoring.row(condition, name, interval))
    rows.append(
        scoring.exact(condition, "tv_of_true_draws", measures.expected_distance(target, n), n)
    )
    if target.ppf is not None:
        rows.append(
            scoring.row(condition, "wasserstein_1", measures.wasserstein_1(values, target, seed))
        )
        rows.append(scoring.exact(condition, "distinct_values", np.unique(values).size, n))
    return rows


def rejection_rate(test: Test, freedom: int, draws: int = PAPER_DRAWS) -> Interval:
    """How often a chi-square test at 5 % would reject `draws` draws of the same kind.

    The statistic of n draws is about noncentral chi-square; the 95 % interval of its noncentrality
    (by inverting the test) is scaled from n to `draws` and turned into power. A true sampler has
    0.05; near 1 means p near 0. The interval says what one run can know: n true draws do not show
    that a sampler is true.
    """
    least, most = _noncentrality(test.statistic, freedom)
    middle = min(max(test.statistic - freedom, least), most)
    critical = stats.chi2.isf(LEVEL, freedom)
    rates = [
        LEVEL if x <= 0 else float(_above(critical, freedom, x * draws / test.n))
        for x in (middle, least, most)
    ]
    return Interval(rates[0], min(rates[1], rates[0]), max(rates[2], rates[0]), test.n)


def _noncentrality(statistic: float, freedom: int) -> tuple[float, float]:
    """The 95 % interval of the noncentrality that a statistic leaves."""
    if statistic > 1000:  # normal approximation; also where SciPy's series would not converge
        half = 1.96 * np.sqrt(2 * (2 * statistic - freedom)) if np.isfinite(statistic) else 0.0
        return max(statistic - freedom - half, 0.0), statistic - freedom + half

    def solve(tail: float) -> float:
        def excess(x: float) -> float:
            return _above(statistic, freedom, x) - tail

        return (
            0.0 if excess(0.0) >= 0 else float(optimize.brentq(excess, 0.0, 10 * statistic + 100))
        )

    return solve(0.025), solve(0.975)


def _above(statistic: float, freedom: int, noncentrality: float) -> float:
    if noncentrality > 1e5 or not np.isfinite(noncentrality):
        return 1.0
    if noncentrality <= 0:
        return float(stats.chi2.sf(statistic, freedom))
    return float(stats.ncx2.sf(statistic, freedom, noncentrality))


def chains(
    condition: Row, sequences: Sequence[NDArray], target: Target, lags: int, seed: int
) -> list[Row]:
    """Dependence between successive draws: ACF, periodicity, transitions, repeats.

    `sequences` are chains (or batched replies) of values, NaN where one could not be read.
    """
    lags = min(lags, max(len(chain) for chain in sequences) - 1)
    acf, resampled = measures.autocorrelation(sequences, lags, seed)
    rows = []
    for lag, value in enumerate(acf, start=1):
        interval = _around(value, resampled[:, lag - 1], len(sequences))
        rows.append(scoring.row(condition, "acf", interval, str(lag)))
    rows.append(scoring.row(condition, "periodicity", *_periodicity(sequences, lags, seed)))
    table = measures.transitions(sequences, target)
    pairs = int(table.sum())
    test = measures.independence(table)
    rows.append(scoring.exact(condition, "transition_p", test.p, pairs))
    if pairs:
        rate = rejection_rate(test, (target.size - 1) ** 2)
        rows.append(scoring.row(condition, "transition_rejection_rate", rate))
        repeats = int(np.trace(table))
        rows.append(scoring.row(condition, "repeat_rate", proportion(repeats, pairs)))
        expected = float((target.probabilities**2).sum())
        rows.append(
            scoring.exact(condition, "repeat_p", binomial(repeats, pairs, expected).p, pairs)
        )
    for i, label in enumerate(target.labels):
        for j, after in enumerate(target.labels):
            share = proportion(int(table[i, j]), int(table[i].sum()))
            rows.append(scoring.row(condition, "transition", share, f"{label}>{after}"))
    return rows


def _periodicity(sequences: Sequence[NDArray], lags: int, seed: int) -> tuple[Interval, str]:
    """The ACF at the lag from 2 on that stands out in half the chains, seen in the other half.

    Choosing and measuring on different chains keeps the choice from inflating the value. The
    second entry is that lag.
    """
    chosen, _ = measures.autocorrelation(sequences[::2], lags, seed)
    later = np.nan_to_num(chosen[1:], nan=-np.inf)
    if len(sequences) < 4 or later.size == 0 or not np.isfinite(later.max()):
        return Interval(np.nan, np.nan, np.nan, 0), ""
    lag = int(np.argmax(later)) + 2
    acf, resampled = measures.autocorrelation(sequences[1::2], lags, seed)
    return _around(acf[lag - 1], resampled[:, lag - 1], len(sequences[1::2])), str(lag)


def _around(value: float, resampled: NDArray, n: int) -> Interval:
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan, 0)
    low, high = measures.bias_corrected(resampled, float(value))
    return Interval(float(value), low, high, n)


def positions(condition: Row, frame: pd.DataFrame, target: Target, blocks: int = 16) -> list[Row]:
    """Whether a batched draw's distribution depends on its place in the reply.

    Places go into `blocks` groups of neighbours, named by their first place (from 1).
    """
    size = int(condition["batch"])
    read = frame[frame["value"].notna()]
    group = (read["position"].to_numpy() * min(blocks, size)) // size
    values = read["value"].to_numpy()
    table = np.zeros((min(blocks, size), target.size))
    np.add.at(table, (group, target.cells(values)), 1)
    test = measures.independence(table)
    rows = [scoring.exact(condition, "position_p", test.p, test.n)]
    if test.n:
        freedom = (int((table.sum(axis=1) > 0).sum()) - 1) * (
            int((table.sum(axis=0) > 0).sum()) - 1
        )
        if freedom > 0:
            rate = rejection_rate(test, freedom)
            rows.append(scoring.row(condition, "position_rejection_rate", rate))
    for number in range(len(table)):
        first = -(-number * size // len(table)) + 1
        here = values[group == number]
        if here.size:
            rows.append(scoring.row(condition, "position_mean", seed_interval(here), str(first)))
    return rows


def counts(condition: Row, found: NDArray, asked: int, seed: int) -> list[Row]:
    """Batched replies whose count of numbers is not the one asked for, and by how much."""
    errors = found - asked
    wrong = proportion(int((errors != 0).sum()), errors.size)
    return [
        scoring.row(condition, "wrong_count_rate", wrong),
        scoring.row(condition, "count_error", bootstrap_mean(errors, seed)),
    ]


def generators(condition: Row, frame: pd.DataFrame, seed: int) -> list[Row]:
    """S8: outputs right by step, in all, and whole sequences right; tokens for each output."""
    hits = frame.pivot(index="unit", columns="position", values="value").to_numpy()
    sequences, steps = hits.shape
    rows = [
        scoring.row(
            condition, "step_right", proportion(int(hits[:, k].sum()), sequences), str(k + 1)
        )
        for k in range(steps)
    ]
    # Outputs of one sequence stand and fall together, so the interval is over sequences.
    rows.append(scoring.row(condition, "outputs_right", bootstrap_mean(hits.mean(axis=1), seed)))
    exact = proportion(int(hits.all(axis=1).sum()), sequences)
    rows.append(scoring.row(condition, "sequences_right", exact))
    spent = frame.loc[frame["position"] == 0, "tokens"].to_numpy() / steps
    rows.append(scoring.row(condition, "tokens_per_draw", bootstrap_mean(spent, seed)))
    return rows


def mapped(condition: Row, frame: pd.DataFrame, seed: int) -> list[Row]:
    """S9 and S10: is the result the true image of the number, and how far off is it.

    Replies that could not be read count as wrong; errors are over the others.
    """
    name = condition["style"]
    known = frame[frame["given"] != ""]
    pairs = [(g, v) for g, v in zip(known["given"], known["value"], strict=True) if inside(g)]
    right = sum(maps.right(name, given, value) for given, value in pairs if not np.isnan(value))
    errors = [abs(v - maps.truth(name, g)) for g, v in pairs if not np.isnan(v)]
    rows = [scoring.row(condition, "map_right", proportion(right, len(frame)))]
    if errors:
        rows.append(scoring.row(condition, "map_error", bootstrap_mean(errors, seed)))
    return rows


def inside(given: str) -> bool:
    """Whether all the numbers lie in (0, 1), where the maps are defined."""
    return all(0 < float(part) < 1 for part in given.split(","))


def duplicates(condition: Row, values: NDArray) -> Row:
    """Share of draws that an earlier draw already gave."""
    again = values.size - np.unique(values).size
    return scoring.row(condition, "duplicate_rate", proportion(again, values.size))


def tokens(condition: Row, frame: pd.DataFrame, seed: int) -> Row:
    """Reply tokens spent on a draw."""
    spent: Any = frame["tokens"].to_numpy(dtype=float)
    return scoring.row(condition, "tokens_per_draw", seed_interval(spent))
