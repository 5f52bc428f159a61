"""Collisions of artificial agents with known laws, against closed forms and enumeration."""

from itertools import combinations, product

import numpy as np
import pytest

from workflow_scripts.stochasticity import collisions

LAW = np.array([0.5, 0.3, 0.15, 0.05])
EVEN = np.full(10, 0.1)
POINT = np.eye(10)[7]


def votes(law, agents):
    """Probability of every sequence of choices, by enumeration."""
    for choice in product(range(law.size), repeat=agents):
        yield choice, float(np.prod(law[list(choice)]))


@pytest.mark.parametrize("agents", [3, 5])
def test_votes_against_all_sequences_of_choices(agents):
    pairs = list(votes(LAW, agents))
    different = sum(p * len(set(choice)) for choice, p in pairs)
    agreed = sum(p for choice, p in pairs if max(map(choice.count, choice)) > agents / 2)
    assert collisions.distinct(LAW, agents) == pytest.approx(different)
    assert collisions.majority(LAW, agents) == pytest.approx(agreed)


def test_estimates_are_means_over_all_sets_of_draws():
    answers = [0, 0, 0, 1, 1, 2, 3, 3]
    counts = np.bincount(answers)
    pairs = [a == b for a, b in combinations(answers, 2)]
    assert collisions.matches_drawn(counts).value == pytest.approx(np.mean(pairs))
    sets = list(combinations(answers, 5))
    agreed = [max(map(each.count, each)) > 2 for each in sets]
    assert collisions.majority_drawn(counts, 5).value == pytest.approx(np.mean(agreed))
    different = np.mean([len(set(each)) for each in sets])
    assert collisions.distinct_drawn(counts, 5).value == pytest.approx(different)
    other = np.array([1, 4, 0, 2])
    between = [a == b for a in answers for b in np.repeat(np.arange(4), other)]
    assert collisions.matches_between(counts, other).value == pytest.approx(np.mean(between))


def test_uniform_agents_and_agents_without_chance():
    assert collisions.match(EVEN, EVEN, (0, 0)) == pytest.approx((0.1, 0.1, 0.1))
    assert collisions.match(POINT, POINT, (0, 0)) == (1, 1, 1)
    assert collisions.distinct(POINT, 5) == pytest.approx(1)
    assert collisions.majority(POINT, 5) == pytest.approx(1)
    always = collisions.matches_drawn(64 * POINT.astype(int))
    assert always.value == always.high == 1
    assert always.low < 1  # 64 equal draws do not prove it
    never = collisions.matches_drawn(np.ones(64, dtype=int))
    assert never.value == never.low == 0
    assert never.high > 0


@pytest.mark.parametrize("law", [EVEN, LAW, np.full(500, 1 / 500)])
def test_intervals_hold_the_true_value(law):
    rng = np.random.default_rng(3)
    n, runs = 200, 400
    truth = [law @ law, collisions.majority(law, 5), collisions.distinct(law, 3), law @ law]
    hits = np.zeros(4)
    for _ in range(runs):
        first, second = rng.multinomial(n, law, 2)
        found = [
            collisions.matches_drawn(first),
            collisions.majority_drawn(first, 5),
            collisions.distinct_drawn(first, 3),
            collisions.matches_between(first, second),
        ]
        hits += [low <= true <= high for (_, low, high, _), true in zip(found, truth, strict=True)]
    assert (hits / runs >= 0.92).all(), hits / runs


def shared(noise):
    """Laws under two prompts: digits below 5, or from 5 on, or any with probability `noise`."""
    halves = np.repeat(np.eye(2), 5, axis=1) / 5
    return (1 - noise) * halves + noise * EVEN


def binary(p):
    return 0.0 if p in (0, 1) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_a_prompt_that_agents_share_gives_its_information(noise):
    """Both halves agree unless one of the two agents leaves the prompt's: a binary channel."""
    leaves = noise / 2
    known = 1 - binary(2 * leaves * (1 - leaves))
    laws = shared(noise)
    assert collisions.information_bounds(laws, laws, (0, 0)) == pytest.approx((known,) * 3)
    if noise == 0:  # draws do not vary in what they tell: the estimate is right, and has no margin
        return
    rng = np.random.default_rng(4)
    for agents in ("one model", "two models"):
        hits, values = 0, []
        for _ in range(60):
            first = rng.multinomial(200, laws)
            second = None if agents == "one model" else rng.multinomial(200, laws)
            value, low, high, _ = collisions.information_drawn(first, second)
            values.append(value)
            hits += low <= known <= high
        assert np.mean(values) == pytest.approx(known, abs=0.01)
        assert hits >= 54


def test_bounds_hold_wherever_the_unresolved_mass_belongs():
    rng = np.random.default_rng(5)
    laws, slack = shared(0.4), 0.01
    value, low, high = collisions.information_bounds(laws, laws, (slack, slack))
    near = collisions.match(laws[0], laws[0], (slack, slack))
    assert low <= value <= high
    spreads = [*rng.dirichlet(np.full(10, 0.2), (100, 2)), *(np.eye(10)[[a, b]] for a, b in
               product(range(0, 10, 3), repeat=2))]  # fmt: skip
    for spread in spreads:
        weights = slack * rng.choice([0, 0.5, 1], (2, 1))
        whole = (1 - weights) * laws + weights * spread
        assert low <= collisions.information(collisions.joint(whole, whole)) <= high
        assert near[1] - 1e-12 <= whole[0] @ whole[0] <= near[2] + 1e-12


def test_rounding_takes_no_value_out_of_its_range():
    """Sums of many probabilities near 1 exceed it by rounding; tables refuse such rows."""
    random = np.random.default_rng(3)
    for law in random.dirichlet(np.full(4, 0.05), size=2000):
        assert 0 <= collisions.majority(law, 5) <= 1
        assert 1 <= collisions.distinct(law, 5) <= 5
        counts = np.round(law * 1000).astype(int)
        found = collisions.majority_drawn(counts, 5)
        assert found.low <= found.value <= found.high
        value, low, high = collisions.information_bounds(law[None], law[None], (1e-9, 1e-9))
        assert low <= value <= high
