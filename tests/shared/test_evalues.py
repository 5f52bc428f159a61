"""E-values against exact enumeration, general optimisers, and simulated optional stopping."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from workflow_scripts.shared import evalues
from workflow_scripts.shared.evalues import FAR, NEAR, Distance

TARGETS = [np.full(4, 0.25), np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])]


def log_likelihood(c, q):
    return float(sum(k * math.log(x) for k, x in zip(c, q, strict=True) if k))


def distance(q, p):
    return 0.5 * float(np.abs(q - p).sum())


def optimum(c, p, tolerance, starts=4):
    """The largest log-likelihood within the tolerance, by a general constrained optimiser."""
    k, rng, best = p.size, np.random.default_rng(1), -np.inf
    # q = p + up - down keeps the distance linear.
    for _ in range(starts):
        first = rng.dirichlet(np.ones(k)) * tolerance / 2
        second = rng.dirichlet(np.ones(k)) * tolerance / 2
        second = np.minimum(second, p / 2)
        found = optimize.minimize(
            lambda x: -float(c @ np.log(np.maximum(p + x[:k] - x[k:], 1e-12))),
            np.concatenate([first, second]),
            bounds=[(0, 1)] * (2 * k),
            constraints=[
                {"type": "eq", "fun": lambda x: x[:k].sum() - x[k:].sum()},
                {"type": "ineq", "fun": lambda x: tolerance - x[:k].sum()},
                {"type": "ineq", "fun": lambda x: p - x[k:]},
            ],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        q = np.maximum(p + found.x[:k] - found.x[k:], 1e-300)
        if abs(q.sum() - 1) < 1e-6 and distance(q, p) <= tolerance + 1e-6:
            best = max(best, log_likelihood(c, q))
    return best


@pytest.mark.parametrize("counts", [[30, 5, 3, 2], [0, 0, 20, 20], [1, 0, 0, 0], [9, 11, 10, 10]])
@pytest.mark.parametrize("p", TARGETS[:2], ids=["even", "uneven"])
def test_the_likeliest_sampler_within_the_tolerance(p, counts):
    c = np.array(counts, dtype=float)
    test = Distance(p, 0.1)
    assert test._near(c) == pytest.approx(optimum(c, p, 0.1), abs=1e-4)


@pytest.mark.parametrize("counts", [[30, 18, 12], [50, 30, 20], [5, 3, 3], [10, 0, 0]])
def test_the_likeliest_sampler_beyond_the_tolerance(counts):
    """Compared with all samplers on a fine grid that are far enough."""
    c, p = np.array(counts, dtype=float), TARGETS[2]
    size = 400
    grid = np.array([(i, j, size - i - j) for i in range(size + 1) for j in range(size + 1 - i)])
    q = grid / size
    far = q[0.5 * np.abs(q - p).sum(axis=1) >= 0.1 - 1e-12]
    with np.errstate(divide="ignore"):
        best = np.where(c > 0, c * np.log(far), 0.0).sum(axis=1).max()
    found = Distance(p, 0.1)._far(c)
    assert best - 1e-9 <= found <= best + 0.02


def mean_e(test, index, q, n):
    """The exact mean of an e-value over all sequences of n draws from q."""
    total = 0.0
    for sequence in itertools.product(range(q.size), repeat=n):
        counts = np.bincount(sequence, minlength=q.size)
        total += float(np.prod(q[list(sequence)])) * math.exp(test.log_e(counts)[index])
    return total


@pytest.mark.parametrize("n", [1, 3, 6])
def test_an_e_value_is_at_most_one_on_average_under_its_hypothesis(n):
    p = TARGETS[2]
    test = Distance(p, 0.1)
    near = [p, np.array([0.6, 0.25, 0.15]), np.array([0.45, 0.3, 0.25])]
    far = [np.array([0.6, 0.2, 0.2]), np.array([0.1, 0.1, 0.8]), np.array([0.4, 0.35, 0.25])]
    for q in near:
        assert mean_e(test, 0, q, n) <= 1 + 1e-9
    for q in far:
        assert mean_e(test, 1, q, n) <= 1 + 1e-9


RUNS = 200


def ever(test, q, answer, runs, most, every, seed):
    """How many runs ever give the answer, looked at after every `every` draws."""
    rng, wrong = np.random.default_rng(seed), 0
    for _ in range(runs):
        counts = np.zeros(q.size)
        for _ in range(0, most, every):
            counts += rng.multinomial(every, q)
            if (found := test.decision(counts)) is not None:
                wrong += found == answer
                break
    return wrong


@pytest.mark.parametrize(
    ("far", "wrong"), [(0.0, FAR), (0.05, FAR), (0.0501, NEAR), (0.3, NEAR)], ids=str
)
def test_wrong_answers_under_optional_stopping_are_as_rare_as_stated(far, wrong):
    """The stopping that gives most errors: at the first answer."""
    level = 0.1
    test = Distance(TARGETS[1], 0.05, level)
    q = evalues.shifted(TARGETS[1], far)
    found = ever(test, q, wrong, RUNS, 240, 4, 3)
    assert found <= stats.binom.ppf(0.999, RUNS, level)


def test_p_values_looked_at_as_often_are_wrong_more_often():
    """What the test above would see of an ordinary chi-square test."""
    rng, p, wrong = np.random.default_rng(3), TARGETS[1], 0
    for _ in range(RUNS):
        counts = np.zeros(p.size)
        for _ in range(0, 240, 4):
            counts += rng.multinomial(4, p)
            if stats.chisquare(counts, p * counts.sum()).pvalue < 0.05:
                wrong += 1
                break
    assert wrong > stats.binom.ppf(0.999, RUNS, 0.05)


def test_samplers_far_away_are_found_soon_and_true_ones_at_last():
    p = np.full(10, 0.1)
    test = Distance(p, 0.1)
    counts = np.array([30, 0, 0, 2, 1, 0, 0, 7, 0, 0])
    assert test.decision(counts) == FAR
    assert test.decision(np.full(10, 4)) is None
    assert test.decision(np.full(10, 400)) == NEAR


def test_a_plan_holds_for_other_runs():
    p = TARGETS[1]
    test = Distance(p, 0.1)
    plans = test.plan([0.0, 0.3], 50, 2000, 0.9, 1)
    assert [each.decides for each in plans] == [NEAR, FAR]
    assert test.plan([0.1001], 50, 200, 0.9, 1)[0].n is None
    for plan in plans:
        q = evalues.shifted(p, plan.truth)
        decided = ever(test, q, plan.decides, 200, plan.n, 50, 9)
        assert decided >= stats.binom.ppf(0.001, 200, 0.85)
        fewer = ever(test, q, plan.decides, 200, plan.n // 2, 50, 9)
        assert fewer < 0.9 * 200


@pytest.mark.parametrize("far", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("p", TARGETS, ids=str)
def test_shifted_targets_lie_at_their_distance(p, far):
    q = evalues.shifted(p, far)
    assert q.sum() == pytest.approx(1)
    assert q.min() >= 0
    assert distance(q, p) == pytest.approx(min(far, p[np.cumsum(p) - p < 0.5].sum()))


@pytest.mark.parametrize(
    ("p", "tolerance"), [(np.full(17, 1 / 17), 0.1), (np.array([0.0, 1.0]), 0.1), (TARGETS[0], 0)]
)
def test_targets_that_it_cannot_test_are_refused(p, tolerance):
    with pytest.raises(ValueError, match="expected at most 16 cells"):
        Distance(p, tolerance)
