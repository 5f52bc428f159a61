"""Enumerated monoids and actions against published counts and the axioms."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.cocycles import monoids, structures

UP_TO_ISOMORPHISM = {1: 1, 2: 2, 3: 7, 4: 35}  # OEIS A058129
LABELLED_FIXED_UNIT = {1: 1, 2: 2, 3: 11, 4: 156}  # OEIS A058153 (1, 4, 33, 624) over n
SEMILATTICES = {1: 1, 2: 1, 3: 1, 4: 2}  # with a least element: lattices, OEIS A006966


@pytest.mark.parametrize("order", UP_TO_ISOMORPHISM)
def test_monoids_are_as_many_as_published(order):
    found = monoids.of_order(order)
    assert len(found) == UP_TO_ISOMORPHISM[order]
    assert len(monoids.labelled(order)) == LABELLED_FIXED_UNIT[order]
    assert sum(m.idempotent and m.commutative for m in found) == SEMILATTICES[order]


@pytest.mark.parametrize("order", [2, 3])
def test_enumeration_misses_no_monoid(order):
    """Every table, tested by the axioms one by one."""
    good = 0
    elements = range(order)
    for free in itertools.product(elements, repeat=(order - 1) ** 2):
        table = {(a, 0): a for a in elements} | {(0, a): a for a in elements}
        pairs = itertools.product(range(1, order), repeat=2)
        table |= dict(zip(pairs, free, strict=True))
        triples = itertools.product(elements, repeat=3)
        good += all(table[table[a, b], c] == table[a, table[b, c]] for a, b, c in triples)
    assert good == len(monoids.labelled(order))


def test_what_is_no_monoid_is_refused():
    with pytest.raises(ValueError, match="expected the table"):
        monoids.Monoid(np.array([[0, 0], [0, 1]]))
    with pytest.raises(ValueError, match="expected at least 1"):
        monoids.labelled(0)


@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_a_power_set_has_the_union(points):
    lattice = monoids.power_set(points)
    assert lattice.size == 2**points
    assert lattice.idempotent
    assert lattice.commutative
    sets = [frozenset(p for p in range(points) if mask >> p & 1) for mask in range(2**points)]
    for a, b in itertools.product(range(2**points), repeat=2):
        assert sets[lattice.table[a, b]] == sets[a] | sets[b]


@given(st.lists(st.integers(1, 255), min_size=1, max_size=5))
def test_a_generated_semilattice_holds_every_union(masks):
    lattice = monoids.union_closed(np.asarray(masks))
    unions = {0}
    for size in range(1, len(masks) + 1):
        for some in itertools.combinations(masks, size):
            unions.add(int(np.bitwise_or.reduce(some)))
    assert lattice.size == len(unions)


def test_the_later_message_acts_last():
    messages, act = structures.door()
    assert structures.is_action(messages, act[None])[0]
    opened, closed = 1, 2
    assert messages.product((opened, closed)) == closed
    assert act[messages.product((closed, opened)), 1] == 0  # closed, then opened: open


@pytest.mark.parametrize("states", [1, 2, 3])
def test_actions_of_a_two_element_monoid_are_known_maps(states):
    """{1, z} with z·z = z acts by idempotent maps, with z·z = 1 by involutions."""
    maps = list(itertools.product(range(states), repeat=states))
    idempotent = sum(all(f[f[s]] == f[s] for s in range(states)) for f in maps)
    involution = sum(all(f[f[s]] == s for s in range(states)) for f in maps)
    group = monoids.Monoid(np.array([[0, 1], [1, 0]]))
    assert len(structures.actions(monoids.chain(2), states)) == idempotent
    assert len(structures.actions(group, states)) == involution
