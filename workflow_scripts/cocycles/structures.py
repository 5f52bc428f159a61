"""Actions, argument functions, cocycles and multimorphisms over finite monoids (sections 2, 3).

M is the monoid of messages, A that of arguments, S a set of states 0, …, k-1. An action has shape
(|M|, |S|): `act[m, s]` is m•s. An argument function δ has the same shape: `delta[m, s]` is δ_m(s).
Functions here take a batch of R of them at once, shape (R, |M|, |S|), and return flags (R,).
"""

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.cocycles.monoids import Monoid, Table, words

Flags = NDArray[np.bool_]


def actions(messages: Monoid, states: int) -> Table:
    """Every action of M on `states` states, shape (count, |M|, |S|)."""
    size = messages.size
    maps = words(states, states)  # every map from S to S
    chosen = words(len(maps), size - 1)  # one map for each message but the unit
    found = np.empty((len(chosen), size, states), dtype=np.int64)
    found[:, 0] = np.arange(states)
    found[:, 1:] = maps[chosen]
    return found[is_action(messages, found)]


def is_action(messages: Monoid, acts: Table) -> Flags:
    """1•s = s and (n·m)•s = n•(m•s), for each of the maps (C, |M|, |S|), shape (C,)."""
    which = np.arange(len(acts))[:, None]
    good = (acts[:, 0] == np.arange(acts.shape[-1])).all(1)
    for n in range(messages.size):
        for m in range(messages.size):
            after = acts[which, n, acts[:, m]]
            good &= (acts[:, messages.table[n, m]] == after).all(1)
    return good


def functions(messages: Monoid, states: int, arguments: Monoid) -> Table:
    """Every function M x S -> A, shape (|A| ** (|M||S|), |M|, |S|)."""
    return words(arguments.size, messages.size * states).reshape(-1, messages.size, states)


def is_cocycle(messages: Monoid, act: Table, arguments: Monoid, batch: Table) -> Flags:
    """δ_1(s) = 0 and δ_{n·m}(s) = δ_n(m•s) + δ_m(s), for each δ of the batch (R, |M|, |S|)."""
    good = (batch[:, 0] == 0).all(1)
    for n in range(messages.size):
        for m in range(messages.size):
            total = arguments.table[batch[:, n][:, act[m]], batch[:, m]]
            good &= (batch[:, messages.table[n, m]] == total).all(1)
    return good


def acts_on_pairs(messages: Monoid, act: Table, arguments: Monoid, batch: Table) -> Flags:
    """Whether m⋆(s, a) = (m•s, δ_m(s) + a) is an action on S x A (proposition A.3).

    For each δ of the batch (R, |M|, |S|). Pairs are numbered s·|A| + a, and the definition of an
    action is checked on them directly.
    """
    size = arguments.size
    place, held = np.divmod(np.arange(act.shape[1] * size), size)
    sums = arguments.table[batch[:, :, place], held]
    return is_action(messages, act[:, place] * size + sums)


def is_homomorphism(arguments: Monoid, messages: Monoid, batch: Table) -> Flags:
    """ψ(0) = 1 and ψ(b + a) = ψ(b)·ψ(a), for each of the maps (P, |A|), shape (P,)."""
    good = batch[:, 0] == 0
    for b in range(arguments.size):
        for a in range(arguments.size):
            product = messages.table[batch[:, b], batch[:, a]]
            good &= batch[:, arguments.table[b, a]] == product
    return good


def is_multimorphism(first: Monoid, second: Monoid, messages: Monoid, batch: Table) -> Flags:
    """A homomorphism in each variable, for each of the maps (P, |A|, |B|), shape (P,)."""
    good = np.ones(len(batch), dtype=bool)
    for b in range(second.size):
        good &= is_homomorphism(first, messages, batch[:, :, b])
    for a in range(first.size):
        good &= is_homomorphism(second, messages, batch[:, a])
    return good


def extension(step: Table, first: Table, arguments: Monoid, most: int) -> Table:
    """The cocycle of (ℕ, +, 0) that extends δ_1 = `first`: δ_n(s) = Σ_{i<n} δ_1(π^i s).

    Proposition 3.3. `step` is π, shape (S,), as is `first`; the result has shape (most + 1, S).
    """
    totals = np.zeros((most + 1, len(step)), dtype=np.int64)
    place = np.arange(len(step))
    for n in range(most):
        totals[n + 1] = arguments.table[first[place], totals[n]]
        place = step[place]
    return totals


def counting_cocycles(step: Table, arguments: Monoid, batch: Table) -> Flags:
    """Which functions (R, most + 1, S) are cocycles of (ℕ, +, 0) on 0, …, most; shape (R,)."""
    most = batch.shape[1] - 1
    good = (batch[:, 0] == 0).all(1)
    place = np.arange(len(step))
    for m in range(most + 1):
        for n in range(most + 1 - m):
            total = arguments.table[batch[:, n][:, place], batch[:, m]]
            good &= (batch[:, n + m] == total).all(1)
        place = step[place]
    return good


def forwarding(act: Table) -> Table:
    """Proposition 4.1, S = A: δ_m(s) = 0 for m = 1, else m•s; shape (|M|, |S|) of `act`."""
    delta = act.copy()
    delta[0] = 0
    return delta


def falling_silent(lattice: Monoid) -> Table:
    """Proposition 4.2, M = S = A a semilattice: 0 where m ≤ s, else m ∨ s; shape (|M|, |M|)."""
    joined = lattice.table
    return np.where(joined == np.arange(lattice.size), 0, joined)


def carry(added: NDArray[np.int64], digit: NDArray[np.int64], base: int = 10) -> NDArray[np.int64]:
    """Proposition 3.4: carries of a digit when a number is added; elementwise, one shape."""
    return (added + digit) // base


def door() -> tuple[Monoid, Table]:
    """Appendix A: messages unit, open, close, of which the last wins; action, shape (3, 2).

    States are open (0) and closed (1).
    """
    messages = Monoid(np.array([[0, 1, 2], [1, 1, 1], [2, 2, 2]]))
    return messages, np.array([[0, 1], [0, 0], [1, 1]])
