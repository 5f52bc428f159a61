"""Metrics of sets of attempts, against brute force and closed forms."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.parallel_sequential import attribution, metrics
from workflow_scripts.parallel_sequential.metrics import Sets


def sets(answers, correct, exchangeable=False, **more):
    answers = np.array(answers, dtype=object)
    correct = np.array(correct, dtype=float)
    zeros = np.zeros(correct.shape)
    fields = {"passes_weak": correct, "logprobs": zeros, "tokens": zeros, "history_tokens": zeros}
    fields |= more
    names = [str(q) for q in range(len(answers))]
    return Sets(names, answers, correct, exchangeable=exchangeable, **fields)


@given(st.integers(1, 9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(n, data):
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    right = [True] * c + [False] * (n - c)
    subsets = list(combinations(right, k))
    expected = np.mean([any(subset) for subset in subsets])
    assert metrics.pass_at(np.array([n]), np.array([c]), k)[0] == pytest.approx(expected)


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=6))
def test_majority_is_the_mean_over_tie_breaks(names):
    """By brute force: the first of the most frequent wins, averaged over all orders."""
    right = [name == "a" for name in names]
    outcomes = []
    for order in permutations(range(len(names))):
        votes = [names[i] for i in order if names[i]]
        first = {name: votes.index(name) for name in votes}
        winner = max(first, key=lambda name: (votes.count(name), -first[name]), default="")
        outcomes.append(winner == "a")
    found = metrics.majority(np.array(names, object), np.array(right))
    tied = [name for name in set(names) - {""}]
    if len({names.count(name) for name in tied}) <= 1 or len(names) < 2:
        assert found == pytest.approx(np.mean(outcomes))
    else:
        assert found in (0, 1 / 2, 1 / 3, 1)
        assert (found > 0) == (np.mean(outcomes) > 0)


def test_empty_answers_do_not_vote():
    assert metrics.majority(np.array(["", "", "a"], object), np.array([0, 0, 1])) == 1
    assert metrics.majority(np.array(["", ""], object), np.array([0, 0])) == 0


def test_conditioned_any_is_the_direct_mean_and_not_the_estimator():
    chains = sets([[list("aab"), list("bbb")]], [[[0, 0, 1], [1, 1, 1]]])
    assert metrics.any_correct(chains, 2)[0] == 0.5
    assert metrics.any_correct(chains, 3)[0] == 1
    exchangeable = sets(chains.answers, chains.correct, exchangeable=True)
    assert metrics.any_correct(exchangeable, 1)[0] == pytest.approx(4 / 6)


def test_exploration_by_hand():
    one = sets([[["a", "a", "b", ""]]], [[[1, 1, 0, 0]]])
    assert metrics.unique(one, 4)[0] == 2
    shares = np.array([2 / 3, 1 / 3])
    assert metrics.entropy_nats(one, 4)[0] == pytest.approx(-(shares * np.log(shares)).sum())
    assert metrics.repeats(one)[0] == pytest.approx(1 / 3)
    steps = {name: share[0] for name, share in metrics.transitions(one).items()}
    third = pytest.approx(1 / 3)
    assert steps == {
        "right to right": third,
        "right to wrong": third,
        "wrong to right": 0,
        "wrong to wrong": third,
    }


def test_two_empty_answers_are_no_repeat():
    assert metrics.repeats(sets([[["", "", "a"]]], [[[0, 0, 1]]]))[0] == 0


def test_the_best_logprob_and_the_first_passing_attempt_are_taken():
    logs = np.array([[[-3.0, -1.0, np.nan]]])
    one = sets([[list("abc")]], [[[0, 1, 0]]], logprobs=logs, passes_weak=np.array([[[0, 0, 1]]]))
    assert metrics.best_logprob(one, 3)[0] == 1
    assert metrics.SELECTORS["weak"](one, 3)[0] == 0
    assert metrics.SELECTORS["oracle"](one, 3)[0] == 1
    assert metrics.SELECTORS["oracle"](one, 1)[0] == 0


def test_a_stopped_chain_keeps_its_answer_and_costs_nothing_more():
    base = {"domain": "math", "question": "1", "arm": "oracle", "chain": 0}
    rows = [
        base | {"attempt": 1, "retry": 0, "accepted": True, "answer": "3", "correct": False},
        base | {"attempt": 2, "retry": 0, "accepted": False, "answer": "3", "correct": False},
        base | {"attempt": 2, "retry": 1, "accepted": True, "answer": "4", "correct": True},
    ]
    frame = pd.DataFrame(rows).assign(
        passes_weak=False, mean_logprob=np.nan, prompt_tokens=[10, 20, 20], completion_tokens=5
    )
    found = metrics.sets_of(frame, 4, False)
    assert found.answers.tolist() == [[["3", "4", "4", "4"]]]
    assert found.correct.tolist() == [[[0, 1, 1, 1]]]
    assert found.tokens.tolist() == [[[15, 50, 0, 0]]]
    assert found.history_tokens.tolist() == [[[0, 10, 10, 10]]]


def noisy(rng, questions=40, chains=2, attempts=6):
    """Parallel and sequential sets with real variation in every regressor."""
    shape = (questions, chains, attempts)
    answers = rng.choice(list("abc"), shape).astype(object)
    history = np.broadcast_to(13.0 * np.arange(attempts), shape)
    return sets(
        answers, answers == np.array(["a"], object), history_tokens=history + rng.random(shape)
    )


def test_the_regression_is_that_of_statsmodels_with_question_dummies():
    rng = np.random.default_rng(3)
    parallel, sequential = noisy(rng), noisy(rng)
    x, y = attribution.design(parallel, sequential)
    total = attribution.moments(x, y).sum(0)
    dummies = np.kron(np.eye(len(x)), np.ones((x.shape[1], 1)))
    for used in (["arm"], ["arm", "repeat"], ["arm", "log_history"], list(attribution.NAMES)):
        at = [attribution.NAMES.index(name) for name in used]
        flat = np.concatenate([x[..., at].reshape(-1, len(at)), dummies], axis=1)
        expected = sm.OLS(y.reshape(-1), flat).fit().params[: len(at)]
        np.testing.assert_allclose(attribution.solve(total, used), expected, rtol=1e-8)


def test_the_bootstrap_statistic_agrees_with_one_resample_at_a_time():
    rng = np.random.default_rng(4)
    moments = attribution.moments(*attribution.design(noisy(rng), noisy(rng)))
    draws = rng.integers(0, len(moments), (5, len(moments)))
    together = attribution.coefficients(*np.moveaxis(moments[draws], -1, 0), axis=-1)
    for i, draw in enumerate(draws):
        alone = attribution.coefficients(*moments[draw].T)
        np.testing.assert_allclose(together[:, i], alone, rtol=1e-8)


def test_seen_before_by_brute_force():
    rng = np.random.default_rng(5)
    answers = rng.choice(["", "a", "b", "c"], (3, 2, 5)).astype(object)
    found = attribution.seen_before(answers)
    for q, c, k in np.ndindex(answers.shape):
        here = answers[q, c, k]
        assert found[q, c, k] == (here != "" and here in set(answers[q, c, :k]))
