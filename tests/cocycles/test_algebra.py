"""The propositions against explicit definitions, closed forms, and controls that must fail."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import logsumexp

from workflow_scripts.cocycles import algebra, execution, monoids, semirings, structures

SMALL = list(monoids.up_to(3))
FLOATS = arrays.arrays(
    np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32) | st.just(-np.inf)
)


def found_row(rows, metric, **wanted):
    found = [r for r in rows if r["metric"] == metric and wanted.items() <= r.items()]
    assert len(found) == 1
    return found[0]


def cocycle(messages, act, arguments, rule):
    """The definition, entry by entry."""
    size, states = act.shape
    if any(rule[0][s] != 0 for s in range(states)):
        return False
    return all(
        rule[messages.table[n, m]][s] == arguments.table[rule[n][act[m, s]], rule[m][s]]
        for n, m, s in itertools.product(range(size), range(size), range(states))
    )


@given(st.sampled_from(SMALL), st.sampled_from(SMALL), st.integers(0, 2**31))
def test_the_equations_are_the_definition(messages, arguments, seed):
    rng = np.random.default_rng(seed)
    acts = structures.actions(messages, 2)
    act = acts[rng.integers(len(acts))]
    batch = rng.integers(0, arguments.size, (20, messages.size, 2))
    batch[10:, 0] = 0
    expected = [cocycle(messages, act, arguments, rule) for rule in batch]
    assert structures.is_cocycle(messages, act, arguments, batch).tolist() == expected


@given(st.integers(2, 16), st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_carries_are_a_cocycle(base, m, n, data):
    digit = data.draw(st.integers(0, base - 1))
    once = structures.carry(m + n, digit, base)
    first = structures.carry(m, digit, base)
    assert once == first + structures.carry(n, (m + digit) % base, base)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 2**31))
def test_addition_by_messages_is_addition(digits, seed):
    rng = np.random.default_rng(seed)
    added = [rng.integers(0, 50, rng.integers(0, 4)).tolist() for _ in digits]
    ends = execution.add_with_carries(digits, added, 10, rng)
    start = int("".join(map(str, reversed(digits))))
    total = start + sum(sum(part) * 10**place for place, part in enumerate(added))
    assert sum(digit * 10**place for place, digit in enumerate(ends)) == total
    assert all(0 <= digit < 10 for digit in ends[:-1])


def test_words_have_all_their_groupings():
    assert len(list(execution.groupings(tuple(range(6))))) == 2**5
    assert len(set(execution.interleavings((1, 2, 3), (4, 5)))) == 10


def test_small_enumerations_find_no_exception():
    rows = algebra.node_grouping(2, 2) + algebra.edge_grouping(2) + algebra.extensions(2, 2)
    for metric in (
        "grouping_exceptions",
        "product_action_exceptions",
        "edge_exceptions",
        "multimorphism_failures",
        "extension_not_unique",
        "extension_not_the_formula",
    ):
        row = found_row(rows, metric)
        assert row["n"] > 20
        assert row["value"] == 0
    assert 0 < found_row(rows, "cocycles")["value"] < found_row(rows, "cocycles")["n"]


def test_grouping_matters_where_the_function_is_no_cocycle():
    """A control: every message is forwarded as 1 over (Z_2, +), whatever it is composed of."""
    group = monoids.Monoid(np.array([[0, 1], [1, 0]]))
    rule = np.array([[[0], [1]], [[1], [1]]])
    act = np.zeros((2, 1), dtype=int)
    assert structures.is_cocycle(group, act, group, rule).tolist() == [True, False]
    words = execution.all_words(2, 3)
    seen = execution.node_ignores_grouping(group, act, group, rule, words)
    assert seen.tolist() == [True, False]


def test_large_structures_include_cocycles_and_other_functions():
    rows = algebra.large_grouping(np.random.default_rng(0), 5)
    assert found_row(rows, "large_grouping_exceptions")["value"] == 0
    assert 5 <= found_row(rows, "large_cocycles")["value"] < found_row(rows, "large_cocycles")["n"]


def test_products_and_cyclic_groups_have_their_tables():
    both = monoids.direct_product(monoids.cyclic(3), monoids.chain(2))
    assert both.commutative
    for a, b in itertools.product(range(6), repeat=2):
        expected = ((a // 2 + b // 2) % 3) * 2 + max(a % 2, b % 2)
        assert both.table[a, b] == expected


def test_the_forward_half_of_proposition_4_1_fails_and_the_backward_half_holds():
    rows = algebra.forwarding(2, 3)
    assert found_row(rows, "forwarding_counterexamples")["value"] > 0
    assert found_row(rows, "smallest_counterexample")["value"] == 1
    assert found_row(rows, "forwarding_failures")["value"] == 0
    assert found_row(rows, "forwarding_failures")["n"] == 5  # 1, 1, and 3 of order 3


def test_forwarding_on_the_naturals_is_no_cocycle():
    """δ_m(s) = m + s for m > 0 over (ℕ, +): 1 + 1 messages emit more than one message of 2."""

    def rule(m, s):
        return 0 if m == 0 else m + s

    assert rule(2, 0) != rule(1, 1) + rule(1, 0)


@pytest.mark.parametrize("lattice", [monoids.chain(9), monoids.power_set(4)], ids=["chain", "sets"])
def test_falling_silent_is_a_cocycle_and_emits_nothing_old(lattice):
    rule = structures.falling_silent(lattice)
    assert cocycle(lattice, lattice.table, lattice, rule)
    for m, s in itertools.product(range(lattice.size), repeat=2):
        assert (rule[m, s] == 0) == (lattice.table[m, s] == s or lattice.table[m, s] == 0)


@given(FLOATS)
def test_news_are_a_cocycle_to_the_last_bit(vectors):
    n, m, s = vectors
    once = semirings.news(s, np.maximum(np.maximum(n, m), s))
    middle = np.maximum(m, s)
    parts = np.maximum(semirings.news(s, middle), semirings.news(middle, np.maximum(n, middle)))
    assert np.array_equal(once, parts)


@given(FLOATS, st.integers(0, 2**31))
def test_tropical_maps_preserve_max_to_the_last_bit(vectors, seed):
    weights = np.random.default_rng(seed).normal(size=(5, 4)).astype(np.float32)
    a, b, _ = vectors
    whole = semirings.tropical_linear(weights, np.maximum(a, b))
    parts = [semirings.tropical_linear(weights, part) for part in (a, b)]
    assert np.array_equal(whole, np.maximum(*parts))


@given(FLOATS, st.integers(0, 2**31))
def test_log_maps_preserve_logsumexp_and_not_max(vectors, seed):
    weights = np.random.default_rng(seed).normal(size=(5, 4))
    a, b, _ = vectors.astype(np.float64) / 1e6
    expected = logsumexp(weights + a, axis=1)
    assert np.allclose(semirings.log_linear(weights, a), expected, rtol=1e-12)
    both = semirings.log_linear(weights, semirings.log_add(a, b))
    parts = [semirings.log_linear(weights, part) for part in (a, b)]
    assert np.allclose(both, semirings.log_add(*parts), rtol=1e-9)
    whole, most = semirings.log_linear(weights, np.maximum(a, b)), np.maximum(*parts)
    assert (whole >= most - 1e-9).all()
    assert (whole <= most + np.log(4) + 1e-9).all()


def test_log_maps_do_not_preserve_max():
    rows = algebra.semiring_maps(np.random.default_rng(0), 100)
    assert found_row(rows, "map_violations", layer="logarithmic", aggregator="max")["value"] > 90
    gap = found_row(rows, "map_largest_gap", layer="logarithmic", aggregator="max")["value"]
    assert 0.1 < gap <= found_row(rows, "map_gap_bound")["value"]
    assert found_row(rows, "map_violations", layer="tropical", aggregator="max")["value"] == 0
