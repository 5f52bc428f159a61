"""E-values of paired answers: exact enumeration, a fine grid, simulated optional stopping."""

import math

import numpy as np
import pytest
from scipy import stats

from workflow_scripts.shared import paired_evalues
from workflow_scripts.shared.paired_evalues import EQUAL, FIRST, SECOND, Paired

RUNS = 200


def log_likelihood(c, q):
    return float(sum(k * math.log(x) for k, x in zip(c, q, strict=True) if k))


@pytest.mark.parametrize("margin", [0.1, -0.2, 0.0])
@pytest.mark.parametrize("counts", [(5, 9, 86), (0, 0, 20), (30, 25, 45), (3, 0, 0), (0, 7, 0)])
def test_the_likeliest_accuracies_with_a_margin(counts, margin):
    more, less, same = counts
    x = np.linspace(max(0, -margin) + 1e-9, (1 - margin) / 2 - 1e-9, 400_001)
    best = np.max(
        more * np.log(x + margin)
        + (less * np.log(x) if less else 0)
        + (same * np.log(1 - margin - 2 * x) if same else 0)
    )
    n = sum(counts)
    if more - less >= margin * n:
        best = log_likelihood(counts, np.array(counts) / n)
    assert paired_evalues._log_apart(*counts, margin) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("n", [1, 4, 8])
def test_paired_e_values_are_at_most_one_on_average_under_their_hypotheses(n):
    test = Paired(0.1)
    nulls = {
        FIRST: [(0.2, 0.2), (0.1, 0.3), (0.0, 0.5)],
        SECOND: [(0.2, 0.2), (0.3, 0.1)],
        EQUAL: [(0.3, 0.2), (0.1, 0.4), (0.15, 0.05)],
    }
    for answer, truths in nulls.items():
        for first, second in truths:
            total = 0.0
            for a in range(n + 1):
                for b in range(n + 1 - a):
                    p = [first, second, 1 - first - second]
                    mass = stats.multinomial.pmf([a, b, n - a - b], n, p)
                    total += mass * math.exp(test.log_e(a, b, n)[answer])
            assert total <= 1 + 1e-9, (answer, first, second)


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [(0.2, 0.2, {EQUAL}), (0.3, 0.2, {FIRST}), (0.1, 0.25, {SECOND}), (0.22, 0.2, {FIRST, EQUAL})],
)
def test_paired_answers_under_optional_stopping_are_as_rarely_wrong_as_stated(first, second, right):
    test, rng, wrong = Paired(0.1, 0.1), np.random.default_rng(4), 0
    for _ in range(RUNS):
        a = b = 0
        for n in range(5, 250, 5):
            more = rng.multinomial(5, [first, second, 1 - first - second])
            a, b = a + int(more[0]), b + int(more[1])
            if (found := test.decision(a, b, n)) is not None:
                wrong += found not in right
                break
    assert wrong <= stats.binom.ppf(0.999, RUNS, 0.1)


def test_paired_answers():
    test = Paired(0.1)
    assert test.decision(40, 2, 100) == FIRST
    assert test.decision(2, 40, 100) == SECOND
    assert test.decision(5, 5, 2000) == EQUAL
    assert test.decision(3, 1, 20) is None


COUNTS = [(0, 0, 10), (7, 0, 24), (6, 0, 24), (3, 9, 40), (40, 2, 100), (9, 9, 2000), (30, 22, 900)]


@pytest.mark.parametrize(("first_only", "second_only", "n"), COUNTS)
def test_intervals_agree_with_the_decision(first_only, second_only, n):
    test = Paired(0.1)
    found = test.log_e(first_only, second_only, n)
    low, high = test.share(first_only, second_only)
    assert (low > 0.5) == (found[FIRST] >= test.border)
    assert (high < 0.5) == (found[SECOND] >= test.border)
    low, high = test.difference(first_only, second_only, n)
    assert (low > -0.1 and high < 0.1) == (found[EQUAL] >= test.border)
    assert low <= (first_only - second_only) / n <= high


@pytest.mark.parametrize("counts", [(7, 0), (0, 3), (12, 5), (1, 1)])
def test_beyond_the_end_of_an_interval_nothing_is_excluded(counts):
    """Shares between the ends are all kept: the interval is not cut by a second crossing."""
    test = Paired(0.1)
    low, high = test.share(*counts)
    for p in np.linspace(low + 1e-5, high - 1e-5, 200):
        assert paired_evalues._log_side(*counts, p) < test.border
        assert paired_evalues._log_side(*counts[::-1], 1 - p) < test.border


@pytest.mark.parametrize(("first", "second"), [(0.2, 0.2), (0.3, 0.1), (0.02, 0.0)])
def test_intervals_hold_at_all_times(first, second):
    test, rng, runs = Paired(0.1, 0.1), np.random.default_rng(6), 60
    missed = np.zeros(2)
    for _ in range(runs):
        a = b = 0
        out = np.zeros(2, dtype=bool)
        for n in range(20, 201, 20):
            more = rng.multinomial(20, [first, second, 1 - first - second])
            a, b = a + int(more[0]), b + int(more[1])
            for at, (ends, truth) in enumerate(
                [
                    (test.share(a, b), first / (first + second)),
                    (test.difference(a, b, n), first - second),
                ]
            ):
                out[at] |= not ends[0] - 1e-5 <= truth <= ends[1] + 1e-5
        missed += out
    assert (missed <= stats.binom.ppf(0.999, runs, 0.1)).all()


def test_a_plan_says_how_many_questions_decide():
    plans = Paired(0.2).plan([0.4, 0.2, -0.4, 0.0], 0.3, 20, 400, 0.9, 3)
    assert [plan.decides for plan in plans] == [FIRST, FIRST, SECOND, EQUAL]
    far, near, other, equal = [plan.n for plan in plans]
    assert far == pytest.approx(other, abs=20)
    assert far < near < equal <= 400
    assert [plan.n for plan in Paired(0.2).plan([0.0], 0.3, 20, equal - 20, 0.9, 3)] == [None]
    # More questions on which only one way is right hide a difference.
    assert Paired(0.2).plan([0.4], 0.8, 20, 400, 0.9, 3)[0].n > far
