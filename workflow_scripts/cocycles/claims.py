"""The claims of the paper and what our scores say about each.

Propositions and layers are checked by computation, so the number of exceptions decides. Claims
about trained processors (C11 to C14, C16) are in `claims_trained.py`.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.cocycles import claims_trained, measurements
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    ALL,
    NONE,
    POSITIVE,
    THEORY,
    Claim,
    Kind,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import exact

ROUNDING = rounding(1.0e-12)
TROPICAL = ("tropical", "tropical_path", "tropical_integers")
FIRST, SECOND = ("delivery",), ("updates", "duplicates")
THIRD = ("resent", "increments")

theory = partial(Claim, decided_by=THEORY)
extension = partial(theory, kind=Kind.EXTENSION)  # what follows for layers; not in the paper

# What each figure shows, by the ids of claims.
FIGURES = {
    "machines": ("C1a", "C1b", "C1c"),
    "trace": ("C8",),
    "residuals": ("C9a", "C9b", "C10", "L1", "L2", "L3a", "L3b"),
    "degrees": ("C9b", "L1", "L3a", "L3b"),
    "convergence": ("C8",),
    "rules": ("C7a", "C7b"),
    "tasks": (
        "C11a",
        "C11b",
        "C12a",
        "C12b",
        "C12c",
        "C13a",
        "C13b",
        "C13c",
        "C13d",
        "C14a",
        "C14b",
    ),
    "asynchrony": ("C15a", "C15b", "C16a", "C16b"),
    "certificate": ("C17a", "C17b", "C17c"),
}


def counted(*, metric: str, note: str, **claim: Any) -> Claim:
    """A proposition decided by the number of exceptions over enumerated or drawn cases."""
    return theory(region=NONE, test=partial(exact, "algebra", metric, note), **claim)


def propositions() -> Iterator[Claim]:
    """Sections 2 to 4: propositions and Bellman-Ford (C1 to C8)."""
    one_of_two = "argument functions for which only one of the two holds"
    yield counted(
        id="C1a",
        statement="What a node emits does not depend on how its messages are grouped if and only "
        "if its argument function is a 1-cocycle.",
        source="proposition 3.1",
        quantity=one_of_two,
        metric="grouping_exceptions",
        note="every argument function over small monoids, run in every grouping",
    )
    yield counted(
        id="C1b",
        statement="An argument function is a 1-cocycle if and only if messages act on states and "
        "arguments together.",
        source="proposition A.3",
        quantity=one_of_two,
        metric="product_action_exceptions",
        note="every argument function over small monoids",
    )
    yield counted(
        id="C1c",
        statement="The same holds on larger, randomly drawn structures: messages of up to 16 "
        "elements act on themselves, arguments form a cyclic group.",
        source="proposition 3.1",
        quantity=one_of_two,
        metric="large_grouping_exceptions",
        note="cocycles, and functions that differ from them in one entry",
    )
    yield counted(
        id="C2a",
        statement="A one-input edge function can be invoked asynchronously if and only if it is a "
        "monoid homomorphism.",
        source="proposition 3.2",
        quantity="edge functions for which only one of the two holds",
        metric="edge_exceptions",
        note="every function between small monoids, run in every grouping",
    )
    yield counted(
        id="C2b",
        statement="With several inputs a multimorphism suffices.",
        source="section 3.3",
        quantity="multimorphisms whose messages depend on the order of their inputs",
        metric="multimorphism_failures",
        note="every two-input multimorphism of small monoids, run in every interleaving",
    )
    yield counted(
        id="C3a",
        statement="Over (ℕ, +), each choice of what one message emits extends to exactly one "
        "cocycle.",
        source="proposition 3.3",
        quantity="choices with no extension or several",
        metric="extension_not_unique",
        note="every choice and step of the states, small monoids",
    )
    yield counted(
        id="C3b",
        statement="That cocycle is the sum of the choice along the orbit.",
        source="proposition 3.3",
        quantity="extensions that differ from the formula",
        metric="extension_not_the_formula",
        note="every choice and step of the states, small monoids",
    )
    yield counted(
        id="C4a",
        statement="The carry count of a digit is a 1-cocycle.",
        source="proposition 3.4",
        quantity="cases that violate the equation",
        metric="carry_violations",
        note="every digit and pair of numbers below 60, bases 2, 3, 10 and 16",
    )
    yield counted(
        id="C4b",
        statement="Numbers can be added by digits that send carries in any order and grouping.",
        source="section 3.4",
        quantity="wrong sums",
        metric="addition_errors",
        note="random additions in random order",
    )
    yield theory(
        id="C5a",
        statement="An argument function that is silent on the unit and otherwise forwards its new "
        "state is a cocycle only if arguments are idempotent.",
        source="proposition 4.1, forward half",
        quantity="cocycles whose arguments are not idempotent",
        region=NONE,
        test=measurements.counterexamples,
    )
    yield counted(
        id="C5b",
        statement="If messages, states and arguments are one monoid acting on itself and it is "
        "idempotent, that function is a cocycle.",
        source="proposition 4.1, backward half",
        quantity="idempotent monoids for which it is not",
        metric="forwarding_failures",
        note="every idempotent monoid of small order",
    )
    yield counted(
        id="C6a",
        statement="On a join-semilattice, the argument function that falls silent where a message "
        "changes nothing is a 1-cocycle.",
        source="proposition 4.2",
        quantity="semilattices for which it is not",
        metric="silent_failures",
        note="small ones, a chain, a power set, drawn ones",
    )
    yield counted(
        id="C6b",
        statement="The same holds for vectors of floating-point numbers under max, to the last "
        "bit.",
        source="proposition 4.2",
        quantity="random cases that violate the equation",
        metric="silent_float_violations",
        note="random float32 vectors",
    )
    yield theory(
        id="C7a",
        statement="Over a well-ordered semilattice, the argument function that falls silent emits "
        "finitely many messages.",
        source="section 4.2",
        quantity="share of runs that came to an end",
        region=ALL,
        test=measurements.fell_silent,
    )
    yield theory(
        id="C7b",
        statement="The argument function that always forwards never stops.",
        source="section 4.2",
        quantity="deliveries that lowered the number of messages in transit",
        region=NONE,
        test=measurements.never_silent,
    )
    yield theory(
        id="C8",
        statement="Bellman-Ford is fully asynchronous: every schedule ends in the same distances.",
        source="section 4.1",
        quantity="runs that ended in other distances, to the last bit",
        region=NONE,
        test=measurements.bellman_ford,
    )


def layers() -> Iterator[Claim]:
    """Sections 4.3 and 5: which layer withstands which kind of asynchrony (C9, C10, L, C15)."""
    differ = "runs whose result differs in any bit"
    at_once = "largest relative error where increments are sent at once"
    map_of_sum = "largest gap between the map of a sum and the sum of the maps"
    map_of_maximum = "largest gap between the map of a maximum and the maximum of the maps"
    yield theory(
        id="C9a",
        statement="A max-max network is invariant to the order of messages, their grouping into "
        "updates, and their repetition.",
        source="section 4.3",
        quantity=differ,
        region=NONE,
        test=partial(measurements.differing, ("max_max",), (*FIRST, *SECOND)),
    )
    yield theory(
        id="C9b",
        statement="A max-max network with a linear edge function is not invariant to how often "
        "that function is invoked.",
        source="section 4.3",
        quantity=at_once,
        region=POSITIVE,
        test=partial(measurements.furthest, ("max_max",), ("increments",)),
    )
    yield theory(
        id="C10",
        statement="A max-max network with a tropical edge function is fully asynchronous.",
        source="section 4.3",
        quantity=differ,
        region=NONE,
        test=partial(measurements.differing, TROPICAL, (*FIRST, *SECOND, *THIRD, "everything")),
    )
    yield theory(
        id="L1",
        statement="A commutative aggregator makes a network invariant to the order of receipt "
        "(level 1).",
        source="section 4.3",
        quantity="largest relative error under delays, losses and partial delivery",
        region=ROUNDING,
        test=partial(measurements.furthest, ("sum_relu", "ordinary"), FIRST),
    )
    yield theory(
        id="L2",
        statement="An associative, idempotent update makes it invariant to repeated updates, too "
        "(level 2).",
        source="section 4.3",
        quantity=differ,
        region=NONE,
        test=partial(measurements.differing, ("max_max", "logarithmic", *TROPICAL), SECOND),
    )
    yield theory(
        id="L3a",
        statement="With the max aggregator, an edge function that is bilinear over the "
        "log-semiring makes a network invariant to repeated calls of it (level 3, as implemented).",
        source="section 5",
        quantity=at_once,
        region=ROUNDING,
        test=partial(measurements.furthest, ("logarithmic",), ("increments",)),
    )
    yield extension(
        id="L3b",
        statement="The same function under its own sum, logsumexp, is invariant to how calls are "
        "split.",
        source="derived from section 5",
        quantity=at_once,
        region=ROUNDING,
        test=partial(measurements.furthest, ("log_throughout",), ("increments",)),
    )
    yield extension(
        id="C15a",
        statement="A linear map over the log-semiring does not preserve max, the aggregator of the "
        "paper's level 3.",
        source="derived from section 5",
        quantity=map_of_maximum,
        region=POSITIVE,
        test=partial(measurements.map_violations, "logarithmic", "max"),
    )
    yield extension(
        id="C15b",
        statement="A linear map over the log-semiring preserves logsumexp, up to rounding.",
        source="derived from section 5",
        quantity=map_of_sum,
        region=rounding(1.0e-5),
        test=partial(measurements.map_violations, "logarithmic", "logsumexp"),
    )
    yield extension(
        id="C15c",
        statement="A tropical linear map preserves max, to the last bit.",
        source="derived from section 4.1",
        quantity=map_of_maximum,
        region=NONE,
        test=partial(measurements.map_violations, "tropical", "max"),
    )


def certificate() -> Iterator[Claim]:
    """What the asynchrony certificate finds (C17): of an instrument of ours, not of the paper."""
    ours = partial(theory, kind=Kind.OURS, source="docs/certificate.md")
    yield ours(
        id="C17a",
        statement="The certificate finds the level of each layer whose level is known.",
        quantity="levels, to the last bit or up to rounding, that differ from the known one",
        region=NONE,
        test=measurements.misjudged,
    )
    yield ours(
        id="C17b",
        statement="The paper's level-3 layer, log-bilinear with max, keeps level 2 and no more; "
        "with max in place of logsumexp it keeps level 3.",
        quantity="levels kept by the tropical layer beyond those of the log-bilinear one",
        region=around(1.0, 0.0),
        test=measurements.levels_gained,
    )
    yield ours(
        id="C17c",
        statement="A level kept up to rounding need not be kept to the last bit: sums depend on "
        "the order of their terms.",
        quantity="modules that lose a level to rounding",
        region=POSITIVE,
        test=measurements.lost_to_rounding,
    )


def all_claims(figure_2: str | Path, settings: dict[str, Any]) -> list[Claim]:
    """All claims; `figure_2` is the file of published numbers, `settings` are of the training."""
    trained = claims_trained.trained(figure_2, settings)
    return [*propositions(), *layers(), *trained, *certificate()]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
