"""Metrics of sets of attempts, against brute force and closed forms."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.parallel_sequential import attribution, metrics, worlds
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


def test_tokens_that_a_server_does_not_count_are_not_known():
    base = {"domain": "math", "question": "1", "arm": "oracle", "retry": 0, "accepted": True}
    rows = [
        base | {"chain": chain, "attempt": at, "prompt_tokens": size}
        for chain, sizes in enumerate([[10, 0, 30], [0, 20, 30]])
        for at, size in enumerate(sizes, start=1)
    ]
    frame = pd.DataFrame(rows).assign(
        answer="3", correct=True, passes_weak=False, mean_logprob=np.nan, completion_tokens=5
    )
    found, nan = metrics.sets_of(frame, 4, False), np.nan
    np.testing.assert_array_equal(found.tokens, [[[15, nan, 35, 0], [nan, 25, 35, 0]]])
    np.testing.assert_array_equal(found.history_tokens, [[[0, nan, 20, 20], [nan] * 4]])


def test_an_answer_that_cannot_be_read_counts_neither_as_right_nor_as_wrong():
    """Chain 0 has a right, an unread and a wrong attempt; chain 1 unread ones only."""
    nan = np.nan
    one = sets([[["a", "", "b"], ["", "", ""]]], [[[1, nan, 0], [nan, nan, nan]]])
    assert metrics.AGGREGATORS["random"](one, 3)[0] == 1 / 2
    assert metrics.AGGREGATORS["last"](one, 3)[0] == 0
    assert metrics.AGGREGATORS["first"](one, 3)[0] == 1
    assert metrics.AGGREGATORS["majority"](one, 3)[0] == 1 / 2  # chain 0: one vote each
    assert metrics.AGGREGATORS["any"](one, 3)[0] == 1
    assert metrics.best_logprob(one, 3)[0] == 1
    assert metrics.later_accuracy(one)[0] == 0
    assert all(np.isnan(share[0]) for share in metrics.transitions(one).values())
    pool = sets([[["a", "", "b"]]], [[[1, nan, 0]]], exchangeable=True)
    assert metrics.any_correct(pool, 1)[0] == pytest.approx(1 / 2)
    assert np.isnan(metrics.any_correct(pool, 3)[0])  # two attempts were read
    none = sets([[["", ""]]], [[[nan, nan]]])
    for name, aggregate in metrics.AGGREGATORS.items():
        assert np.isnan(aggregate(none, 2)[0]), name
        if name in ("majority", "any"):
            assert np.isnan(metrics.pooled(none, name, 2, 0)[0])


def test_a_stopped_chain_does_not_fill_an_answer_that_cannot_be_read():
    base = {"domain": "math", "question": "1", "arm": "oracle", "chain": 0, "retry": 0}
    right = [True, None, True]
    rows = [
        base | {"attempt": at, "accepted": True, "answer": "x" if hit else "", "correct": hit}
        for at, hit in enumerate(right, start=1)
    ]
    frame = pd.DataFrame(rows).assign(
        passes_weak=False, mean_logprob=np.nan, prompt_tokens=10, completion_tokens=5
    )
    found = metrics.sets_of(frame.astype({"correct": "boolean"}), 4, False).correct
    np.testing.assert_array_equal(found, [[[1, np.nan, 1, 1]]])


ANSWERS = st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=6)


@given(ANSWERS)
def test_the_vectorised_majority_is_the_plain_one(names):
    answers = np.array(names, object)
    right = (answers == "a").astype(float)
    found = attribution.majority(attribution.equal(answers, answers), right)
    assert found == pytest.approx(metrics.majority(answers, right))


def test_pooled_attempts_by_all_subsets():
    """The majority over random subsets tends to the mean over all of them; any right is exact."""
    rng = np.random.default_rng(6)
    answers = rng.choice(["", "a", "b", "c"], (3, 2, 4)).astype(object)
    one = sets(answers, answers == "a", exchangeable=True)
    for k in (1, 3, 8):
        expected = []
        for names in answers.reshape(3, 8):
            subsets = [np.array(each, object) for each in combinations(names, k)]
            expected.append(np.mean([metrics.majority(s, s == "a") for s in subsets]))
        found = metrics.pooled(one, "majority", k, 1)
        np.testing.assert_allclose(found, expected, atol=0.1)
        exact = metrics.any_correct(one, k)
        np.testing.assert_allclose(metrics.pooled(one, "any", k, 1), exact)
    with pytest.raises(ValueError, match="expected 1 to 8 attempts, found 9"):
        metrics.pooled(one, "majority", 9, 1)


def test_rebuilt_chains_copy_at_the_given_rate_and_never_an_empty_answer():
    usable = np.random.default_rng(0).random((4000, 1, 6)) < 0.8
    for rate, share in ((0.0, 0.5), (0.6, 1.0), (0.6, 0.0), (1.0, 1.0)):
        found = attribution.sources(usable, rate, share, np.random.default_rng(2))
        own = found == np.arange(6)
        assert own[..., 0].all()
        assert np.take_along_axis(usable, found, -1)[~own].all()
        if rate == 0:
            assert own.all()
        if share == 1:
            # The source of an attempt that copies is the attempt before, or that one's source.
            assert ((found[..., 1:] == found[..., :-1]) | own[..., 1:]).all()
            shown = np.take_along_axis(usable, found[..., :-1], -1)
            assert (~own[..., 1:])[shown].mean() == pytest.approx(rate, abs=0.02)
    assert (found[usable[..., 0]] == 0).all()  # at rate 1 all copy the first answer


def test_repeats_by_brute_force():
    rng = np.random.default_rng(7)
    answers = rng.choice(["", "a", "b", "c"], (2, 3, 4)).astype(object)
    one = sets(answers, answers == "a")
    expected = np.zeros((2, 5))
    for q, c, k in np.ndindex(answers.shape):
        earlier, fresh = list(answers[q, c, :k]), [answers[q, o, k] for o in range(3) if o != c]
        here = answers[q, c, k]
        if any(earlier):
            f = np.mean([bool(name) and name in earlier for name in fresh])
            expected[q, 0] += (here != "" and here in earlier) - f
            expected[q, 1] += 1 - f
        if k and earlier[-1]:
            f = np.mean([name == earlier[-1] for name in fresh])
            expected[q, 2] += (here == earlier[-1]) - f
            expected[q, 3] += 1 - f
            expected[q, 4] += np.mean([name == earlier[-1] for name in earlier]) - f
    np.testing.assert_allclose(attribution.repeats(one, one), expected)


def test_the_bootstrap_statistic_agrees_with_one_resample_at_a_time():
    rng = np.random.default_rng(4)
    pair = worlds.WORLDS["both"].sets(30, 2, 5, rng)
    columns = attribution.columns(*pair, "majority", 1)
    draws = rng.integers(0, 30, (5, 30))
    together = attribution.explained(*(column[draws] for column in columns), axis=-1)
    for i, draw in enumerate(draws):
        alone = attribution.explained(*(column[draw] for column in columns))
        np.testing.assert_allclose(together[:, i], alone, rtol=1e-8)


def test_no_copy_explains_nothing_and_a_certain_copy_leaves_the_first_attempt():
    pair = worlds.WORLDS["both"].sets(30, 2, 5, np.random.default_rng(5))
    grid = attribution.rebuilt(pair[0], "majority", 1)
    np.testing.assert_allclose(grid[:, 0, 0], attribution.accuracy(pair[0], "majority"))
    first = pair[0].correct[..., 0].mean(1)
    np.testing.assert_allclose(grid[:, -1, -1], first)
