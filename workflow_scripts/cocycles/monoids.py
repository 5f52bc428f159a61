"""Finite monoids as multiplication tables, all of them up to a given order, and semilattices.

Element 0 is always the unit. A table `t` has shape (n, n), and `t[a, b]` is the product a·b. The
later of two messages is on the left, as in the paper: (n·m)•s = n•(m•s).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]
BLOCK = 1 << 18  # tables held in memory at once during enumeration


@dataclass(frozen=True)
class Monoid:
    """A monoid on 0, …, n-1 with unit 0. Raises `ValueError` if the table is not one."""

    table: Table

    def __post_init__(self) -> None:
        n = self.size
        if self.table.shape != (n, n) or not is_monoid(self.table[None])[0]:
            raise ValueError(
                f"expected the table of a monoid with unit 0, found {self.table.tolist()}"
            )

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.table)

    @cached_property
    def idempotent(self) -> bool:
        """Whether a·a = a for all elements."""
        return bool((np.diagonal(self.table) == np.arange(self.size)).all())

    @cached_property
    def commutative(self) -> bool:
        """Whether a·b = b·a for all elements."""
        return bool((self.table == self.table.T).all())

    def product(self, elements: tuple[int, ...]) -> int:
        """The product of elements in order of arrival: the last one is leftmost."""
        total = 0
        for element in elements:
            total = int(self.table[element, total])
        return total


def is_monoid(tables: Table) -> NDArray[np.bool_]:
    """Which of the tables (T, n, n) are associative with unit 0, shape (T,)."""
    count, n, _ = tables.shape
    elements = np.arange(n)
    good = (tables[:, 0] == elements).all(1) & (tables[:, :, 0] == elements).all(1)
    which = np.arange(count)
    for a in elements[1:]:
        for b in elements[1:]:
            for c in elements[1:]:
                left = tables[which, tables[:, a, b], c]
                good &= left == tables[which, a, tables[:, b, c]]
    return good


def words(letters: int, length: int, start: int = 0, stop: int | None = None) -> Table:
    """Words `start` to `stop` in the order of all words of a length, shape (count, length)."""
    stop = letters**length if stop is None else stop
    numbers = np.arange(start, stop)
    powers = letters ** np.arange(length - 1, -1, -1)
    return (numbers[:, None] // powers) % letters


def labelled(order: int) -> Table:
    """Every monoid on 0, …, order-1 with unit 0, shape (count, order, order).

    Raises `ValueError` for an order below 1.
    """
    if order < 1:
        raise ValueError(f"order of a monoid: found {order}, expected at least 1")
    free = (order - 1) ** 2
    found = []
    for start in range(0, order**free, BLOCK):
        part = words(order, free, start, min(order**free, start + BLOCK))
        tables = np.zeros((len(part), order, order), dtype=np.int64)
        tables[:, 0] = np.arange(order)
        tables[:, :, 0] = np.arange(order)
        tables[:, 1:, 1:] = part.reshape(len(part), order - 1, order - 1)
        found.append(tables[is_monoid(tables)])
    return np.concatenate(found)


def relabelled(tables: Table, names: NDArray[np.int64]) -> Table:
    """The tables (T, n, n) with element a renamed to names[a], shape (T, n, n)."""
    back = np.argsort(names)
    return names[tables[:, back][:, :, back]]


def up_to_isomorphism(tables: Table) -> Table:
    """One of the tables (T, n, n) per isomorphism class, the first of each, shape (C, n, n)."""
    n = tables.shape[-1]
    powers = n ** np.arange(n * n - 1, -1, -1, dtype=np.int64)
    smallest = np.full(len(tables), np.iinfo(np.int64).max)
    for rest in permutations(range(1, n)):
        names = np.asarray((0, *rest))
        smallest = np.minimum(smallest, relabelled(tables, names).reshape(-1, n * n) @ powers)
    _, first = np.unique(smallest, return_index=True)
    return tables[first]


@cache
def of_order(order: int) -> tuple[Monoid, ...]:
    """All monoids of an order, one per isomorphism class."""
    return tuple(Monoid(table) for table in up_to_isomorphism(labelled(order)))


def up_to(order: int) -> Iterator[Monoid]:
    """All monoids of at most this order, one per isomorphism class."""
    for size in range(1, order + 1):
        yield from of_order(size)


def chain(length: int) -> Monoid:
    """0 < 1 < … < length-1 under max."""
    return Monoid(np.maximum.outer(np.arange(length), np.arange(length)))


def cyclic(order: int) -> Monoid:
    """Integers mod `order` under +."""
    return Monoid(np.add.outer(np.arange(order), np.arange(order)) % order)


def direct_product(first: Monoid, second: Monoid) -> Monoid:
    """Pairs, numbered a·|second| + b, multiplied entry by entry."""
    a, b = np.divmod(np.arange(first.size * second.size), second.size)
    return Monoid(first.table[a[:, None], a] * second.size + second.table[b[:, None], b])


def power_set(points: int) -> Monoid:
    """Subsets of `points` points, as bit masks, under union."""
    return Monoid(np.bitwise_or.outer(np.arange(1 << points), np.arange(1 << points)))


def union_closed(family: NDArray[np.int64]) -> Monoid:
    """The join-semilattice with 0 that subsets, bit masks of shape (K,), generate under union."""
    members = {0}
    for mask in family.tolist():
        members |= {mask | member for member in members}
    sets = np.asarray(sorted(members))  # 0 comes first
    return Monoid(np.searchsorted(sets, np.bitwise_or.outer(sets, sets)))
