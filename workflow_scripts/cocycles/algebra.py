"""The paper's propositions, checked as counts of exceptions.

Small structures are enumerated completely, larger ones are drawn. `execution.py` runs every order
of messages, `structures.py` holds the equations.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import execution, monoids, semirings, structures
from workflow_scripts.shared import job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row

WORD = 3  # longest word of messages or chunks; the equations have two, the empty word tests units
NUMBERS = 4  # largest number to which cocycles of (ℕ, +, 0) are enumerated
CARRY_BASES = (2, 3, 10, 16)
CARRY_MOST = 60  # numbers below this are added to a digit
CHANGED = 9  # functions per drawn cocycle that differ from it in one entry
WIDTH = 8  # of the vectors in the drawn cases

# Counts of exceptions, over enumerated or drawn cases.
examined = partial(scores.exact, "algebra", units="cases")


def node_grouping(order: int, states: int) -> list[Row]:
    """Propositions 3.1 and A.3: cocycles are invariant to grouping, and act on S x A."""
    seen = cocycles = grouping = action = 0
    for messages in progress.track(list(monoids.up_to(order)), description="argument functions"):
        received = list(execution.all_words(messages.size, WORD))
        for arguments in monoids.up_to(order):
            for count in range(1, states + 1):
                batch = structures.functions(messages, count, arguments)
                for act in structures.actions(messages, count):
                    equation = structures.is_cocycle(messages, act, arguments, batch)
                    run = execution.node_ignores_grouping(messages, act, arguments, batch, received)
                    pairs = structures.acts_on_pairs(messages, act, arguments, batch)
                    seen += len(batch)
                    cocycles += int(equation.sum())
                    grouping += int((equation != run).sum())
                    action += int((equation != pairs).sum())
    return [
        examined("grouping_exceptions", grouping, seen),
        examined("product_action_exceptions", action, seen),
        examined("cocycles", cocycles, seen),
    ]


def large_grouping(rng: np.random.Generator, cases: int) -> list[Row]:
    """Proposition 3.1 on drawn monoids of up to 16 elements, acting on themselves.

    δ_m(s) = f(m•s) - f(s), with values in a cyclic group, is a cocycle for any f. Each is tested
    with functions that differ from it in one entry, on all pairs of messages and on longer words.
    """
    kinds = [monoid for monoid in monoids.up_to(4) if monoid.size > 1]
    exceptions = seen = sound = 0
    for _ in range(cases):
        first, second = (kinds[number] for number in rng.integers(len(kinds), size=2))
        messages = monoids.direct_product(first, second)
        arguments = monoids.cyclic(int(rng.integers(2, 30)))
        act = messages.table
        level = rng.integers(0, arguments.size, messages.size)
        batch = np.repeat([(level[act] - level) % arguments.size], CHANGED + 1, 0)
        for number in range(1, CHANGED + 1):
            place = (number, *rng.integers(messages.size, size=2))
            batch[place] = (batch[place] + rng.integers(1, arguments.size)) % arguments.size
        received = list(execution.all_words(messages.size, 2))
        received += [tuple(rng.integers(messages.size, size=5).tolist()) for _ in range(20)]
        equation = structures.is_cocycle(messages, act, arguments, batch)
        run = execution.node_ignores_grouping(messages, act, arguments, batch, received)
        exceptions += int((equation != run).sum())
        sound += int(equation.sum())
        seen += len(batch)
    return [
        examined("large_grouping_exceptions", exceptions, seen),
        examined("large_cocycles", sound, seen),
    ]


def edge_grouping(order: int) -> list[Row]:
    """Proposition 3.2: only homomorphisms can be invoked on chunks; multimorphisms suffice."""
    seen = one = both = among = others = outside = 0
    sizes = list(monoids.up_to(order))
    for messages in progress.track(sizes, description="edge functions"):
        for first in sizes:
            batch = monoids.words(messages.size, first.size)
            equation = structures.is_homomorphism(first, messages, batch)
            run = execution.edge_ignores_grouping(first, messages, batch, WORD)
            seen += len(batch)
            one += int((equation != run).sum())
            for second in (monoid for monoid in sizes if monoid.size <= 2):
                pairs = monoids.words(messages.size, first.size * second.size)
                pairs = pairs.reshape(-1, first.size, second.size)
                equation = structures.is_multimorphism(first, second, messages, pairs)
                run = execution.edge_ignores_interleaving(first, second, messages, pairs, 2)
                among += int(equation.sum())
                both += int((equation & ~run).sum())
                others += int((run & ~equation).sum())
                outside += int((~equation).sum())
    return [
        examined("edge_exceptions", one, seen),
        examined("multimorphism_failures", both, among),
        examined("other_edges_that_pass", others, outside),
    ]


def extensions(order: int, states: int) -> list[Row]:
    """Proposition 3.3: for each ω the cocycles of (ℕ, +, 0) with δ_1 = ω, by enumeration.

    Functions are enumerated on 0, …, `NUMBERS`, for every step π of the states.
    """
    seen = not_one = other = 0
    for arguments in monoids.up_to(order):
        for count in range(1, states + 1):
            later = monoids.words(arguments.size, count * (NUMBERS - 1))
            if len(later) > monoids.BLOCK:
                continue
            batch = np.zeros((len(later), NUMBERS + 1, count), dtype=np.int64)
            batch[:, 2:] = later.reshape(-1, NUMBERS - 1, count)
            for step in monoids.words(count, count):
                for first in monoids.words(arguments.size, count):
                    batch[:, 1] = first
                    good = structures.counting_cocycles(step, arguments, batch)
                    formula = structures.extension(step, first, arguments, NUMBERS)
                    seen += 1
                    not_one += int(good.sum() != 1)
                    other += int(not (batch[good] == formula).all())
    return [
        examined("extension_not_unique", not_one, seen),
        examined("extension_not_the_formula", other, seen),
    ]


def carries(rng: np.random.Generator, cases: int) -> list[Row]:
    """Proposition 3.4, and whole additions by messages in random order."""
    broken = seen = 0
    for base in CARRY_BASES:
        numbers = np.arange(CARRY_MOST)
        m, n, digit = np.meshgrid(numbers, numbers, np.arange(base), indexing="ij")
        together = structures.carry(m + n, digit, base)
        after = structures.carry(n, (m + digit) % base, base)
        broken += int((together != after + structures.carry(m, digit, base)).sum())
        seen += together.size
    wrong = 0
    for _ in range(cases):
        base = int(rng.choice(CARRY_BASES))
        places = int(rng.integers(1, 9))
        digits = rng.integers(0, base, places).tolist()
        added = [rng.integers(0, 4 * base, rng.integers(0, 5)).tolist() for _ in range(places)]
        ends = execution.add_with_carries(digits, added, base, rng)
        columns = enumerate(zip(digits, added, strict=True))
        total = sum((digit + sum(part)) * base**place for place, (digit, part) in columns)
        wrong += sum(digit * base**place for place, digit in enumerate(ends)) != total
    return [examined("carry_violations", broken, seen), examined("addition_errors", wrong, cases)]


def forwarding(order: int, largest: int) -> list[Row]:
    """Proposition 4.1: (a) every M, A and action on S = A; (b) M = S = A acting by its sum."""
    counter = cocycles = seen = 0
    for messages in monoids.up_to(order):
        for arguments in monoids.up_to(order):
            for act in structures.actions(messages, arguments.size):
                delta = structures.forwarding(act)[None]
                good = bool(structures.is_cocycle(messages, act, arguments, delta)[0])
                seen += 1
                cocycles += good
                counter += good and not arguments.idempotent
    fails = idempotents = converse = others = 0
    for monoid in monoids.up_to(largest):
        delta = structures.forwarding(monoid.table)[None]
        good = bool(structures.is_cocycle(monoid, monoid.table, monoid, delta)[0])
        idempotents += monoid.idempotent
        others += not monoid.idempotent
        fails += monoid.idempotent and not good
        converse += good and not monoid.idempotent
    return [
        examined("forwarding_counterexamples", counter, cocycles),
        examined("forwarding_rules", seen, seen),
        examined("smallest_counterexample", smallest_counterexample(), 1),
        examined("forwarding_failures", fails, idempotents),
        examined("forwarding_not_idempotent", converse, others),
    ]


def smallest_counterexample(most: int = 100) -> bool:
    """M = {1, z} with z·z = z and z•s = 0 on S = A = (ℕ, +): a cocycle, and 1 + 1 ≠ 1."""
    messages = monoids.chain(2)

    def act(m: int, s: int) -> int:
        return s if m == 0 else 0

    def delta(m: int, s: int) -> int:
        return 0 if m == 0 else act(m, s)

    return all(
        delta(int(messages.table[n, m]), s) == delta(n, act(m, s)) + delta(m, s)
        for n in range(2)
        for m in range(2)
        for s in range(most)
    )


def silence(rng: np.random.Generator, largest: int, cases: int) -> list[Row]:
    """Proposition 4.2 on every small semilattice, a chain, a power set, drawn ones, and floats."""
    small = [m for m in monoids.up_to(largest) if m.idempotent and m.commutative]
    drawn = [
        monoids.union_closed(rng.integers(1, 1 << 10, rng.integers(2, 7)))
        for _ in range(max(1, cases // 100))
    ]
    lattices = [*small, monoids.chain(9), monoids.power_set(4), *drawn]
    fails = 0
    for lattice in lattices:
        delta = structures.falling_silent(lattice)[None]
        fails += not structures.is_cocycle(lattice, lattice.table, lattice, delta)[0]
    n, m, s = rng.normal(size=(3, cases, WIDTH)).astype(np.float32)
    once = semirings.news(s, np.maximum(np.maximum(n, m), s))
    first = semirings.news(s, np.maximum(m, s))
    second = semirings.news(np.maximum(m, s), np.maximum(n, np.maximum(m, s)))
    broken = (once != np.maximum(second, first)).any(-1).sum()
    return [
        examined("silent_failures", fails, len(lattices)),
        examined("largest_semilattice", max(lattice.size for lattice in lattices), len(lattices)),
        examined("silent_float_violations", broken, cases),
    ]


def semiring_maps(rng: np.random.Generator, cases: int) -> list[Row]:
    """Which linear maps preserve which sums in float32: violations, and the largest gap."""
    weights = rng.normal(size=(cases, WIDTH, WIDTH)).astype(np.float32)
    a, b = rng.normal(size=(2, cases, WIDTH)).astype(np.float32)
    rows = []
    for name, linear in (
        ("tropical", semirings.tropical_linear),
        ("logarithmic", semirings.log_linear),
    ):
        for total, add in (("max", np.maximum), ("logsumexp", semirings.log_add)):
            whole = linear(weights, add(a, b))
            parts = add(linear(weights, a), linear(weights, b))
            gap = np.abs(whole - parts).max(-1)
            place = {"layer": name, "aggregator": total}
            rows += [
                examined("map_violations", (gap > 0).sum(), cases, **place),
                examined("map_largest_gap", gap.max(), cases, **place),
            ]
    place = {"layer": "logarithmic", "aggregator": "max"}
    return [*rows, examined("map_gap_bound", np.log(WIDTH), 1, **place)]


def main(table: str, algebra: dict[str, int], seed: int, provenance: dict[str, Any]) -> None:
    """Check every proposition, and write the counts to `table`; `algebra` are sizes."""
    rng = seeds.generator(seed, "cocycles", "algebra")
    order, states = algebra["order"], algebra["states"]
    largest, cases = algebra["largest"], algebra["cases"]
    rows = [
        *node_grouping(order, states),
        *large_grouping(rng, max(2, cases // 50)),
        *edge_grouping(order),
        *extensions(order, states),
        *carries(rng, cases),
        *forwarding(order, largest),
        *silence(rng, largest, cases),
        *semiring_maps(rng, cases),
    ]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
