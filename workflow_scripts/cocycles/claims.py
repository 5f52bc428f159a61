"""The claims of the paper and what our scores say about each.

Propositions and layers are checked by computation, so a count of exceptions decides. What hangs on
trained processors (C11 to C14, C16) stands in `claims_trained.py`.
"""

from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.cocycles import claims_trained, measurements
from workflow_scripts.shared import claims, job, provenance, readings, tables
from workflow_scripts.shared.claims import Claim, Evidence, Region
from workflow_scripts.shared.schemas import SCORES

THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
NONE = Region(0.0, 0.0)  # no exception at all
ROUNDING = Region(0.0, 1.0e-12)
POSITIVE = Region(low=1.0e-9)
ALL = Region(1.0, 1.0)
TROPICAL = ("tropical", "tropical_path", "tropical_integers")
FIRST, SECOND = ("delivery",), ("updates", "duplicates")
THIRD = ("resent", "increments")
NO_TRAINING = "the processors are not trained on CLRS-30 in this workflow yet"


def algebraic(
    id_: str, statement: str, source: str, quantity: str, metric: str, note: str
) -> Claim:
    """A proposition that a count of exceptions over enumerated or drawn cases decides."""
    test = partial(readings.exact, "algebra", metric, note)
    return Claim(id_, statement, source, quantity, NONE, THEORY, test)


def propositions() -> list[Claim]:
    return [
        algebraic(
            "C1a",
            "What a node emits does not depend on how its messages are grouped if and only if its "
            "argument rule is a 1-cocycle.",
            "proposition 3.1",
            "argument rules for which only one of the two holds",
            "grouping_exceptions",
            "every rule over small monoids, run in every grouping",
        ),
        algebraic(
            "C1b",
            "A rule is a 1-cocycle if and only if messages act on states and arguments together.",
            "proposition A.3",
            "argument rules for which only one of the two holds",
            "product_action_exceptions",
            "every rule over small monoids",
        ),
        algebraic(
            "C1c",
            "The same on larger structures, drawn: messages of up to 16 elements act on "
            "themselves, arguments are a cyclic group.",
            "proposition 3.1",
            "argument rules for which only one of the two holds",
            "large_grouping_exceptions",
            "cocycles, and rules that differ from them in one entry",
        ),
        algebraic(
            "C2a",
            "A one-input edge function can be invoked asynchronously if and only if it is a "
            "monoid homomorphism.",
            "proposition 3.2",
            "edge functions for which only one of the two holds",
            "edge_exceptions",
            "every function between small monoids, run in every grouping",
        ),
        algebraic(
            "C2b",
            "With several inputs a multimorphism suffices.",
            "section 3.3",
            "multimorphisms whose messages depend on the order of their inputs",
            "multimorphism_failures",
            "every two-input multimorphism of small monoids, run in every interleaving",
        ),
        algebraic(
            "C3a",
            "Over (ℕ, +), each choice of what one message emits extends to exactly one cocycle.",
            "proposition 3.3",
            "choices with no extension or several",
            "extension_not_unique",
            "every choice and step of the states, small monoids",
        ),
        algebraic(
            "C3b",
            "That cocycle is the sum of the choice along the orbit.",
            "proposition 3.3",
            "extensions that differ from the formula",
            "extension_not_the_formula",
            "every choice and step of the states, small monoids",
        ),
        algebraic(
            "C4a",
            "The carry count of a digit is a 1-cocycle.",
            "proposition 3.4",
            "cases that break the equation",
            "carry_violations",
            "every digit and pair of numbers below 60, bases 2, 3, 10 and 16",
        ),
        algebraic(
            "C4b",
            "Numbers can be added by digits that send carries in any order and grouping.",
            "section 3.4",
            "wrong sums",
            "addition_errors",
            "random additions in random order",
        ),
        Claim(
            "C5a",
            "A rule that is silent on the unit and otherwise forwards its new state is a cocycle "
            "only if arguments are idempotent.",
            "proposition 4.1, forward half",
            "cocycles whose arguments are not idempotent",
            NONE,
            THEORY,
            measurements.counterexamples,
        ),
        algebraic(
            "C5b",
            "If messages, states and arguments are one monoid acting on itself and it is "
            "idempotent, that rule is a cocycle.",
            "proposition 4.1, backward half",
            "idempotent monoids for which it is not",
            "forwarding_failures",
            "every idempotent monoid of small order",
        ),
        algebraic(
            "C6a",
            "On a join-semilattice the rule that falls silent where a message changes nothing is "
            "a 1-cocycle.",
            "proposition 4.2",
            "semilattices for which it is not",
            "silent_failures",
            "small ones, a chain, a power set, drawn ones",
        ),
        algebraic(
            "C6b",
            "The same holds for vectors of floating-point numbers under max, to the last bit.",
            "proposition 4.2",
            "random cases that break the equation",
            "silent_float_violations",
            "random float32 vectors",
        ),
        Claim(
            "C7a",
            "Over a well-ordered semilattice, the rule that falls silent emits finitely many "
            "messages.",
            "section 4.2",
            "share of runs that came to an end",
            ALL,
            THEORY,
            measurements.fell_silent,
        ),
        Claim(
            "C7b",
            "The rule that always forwards never stops.",
            "section 4.2",
            "deliveries that lowered the number of messages under way",
            NONE,
            THEORY,
            measurements.never_silent,
        ),
        Claim(
            "C8",
            "Bellman-Ford is fully asynchronous: every schedule ends in the same distances.",
            "section 4.1",
            "runs that ended in other distances, to the last bit",
            NONE,
            THEORY,
            measurements.bellman_ford,
        ),
    ]


def layers() -> list[Claim]:
    return [
        Claim(
            "C9a",
            "A max-max network ignores the order of messages, their grouping into updates, and "
            "their repetition.",
            "section 4.3",
            "runs that moved a bit of the result",
            NONE,
            THEORY,
            partial(measurements.differing, ("max_max",), (*FIRST, *SECOND)),
        ),
        Claim(
            "C9b",
            "A max-max network with a linear edge function does not ignore how often that is "
            "invoked.",
            "section 4.3",
            "largest relative error where what is new is sent at once",
            POSITIVE,
            THEORY,
            partial(measurements.furthest, ("max_max",), ("increments",)),
        ),
        Claim(
            "C10",
            "A max-max network with a tropical edge function is fully asynchronous.",
            "section 4.3",
            "runs that moved a bit of the result",
            NONE,
            THEORY,
            partial(measurements.differing, TROPICAL, (*FIRST, *SECOND, *THIRD, "everything")),
        ),
        Claim(
            "L1",
            "A commutative aggregator makes a network ignore the order of receipt (level 1).",
            "section 4.3",
            "largest relative error under delays, losses and partial delivery",
            ROUNDING,
            THEORY,
            partial(measurements.furthest, ("sum_relu", "ordinary"), FIRST),
        ),
        Claim(
            "L2",
            "An associative, idempotent update makes it ignore repeated updates, too (level 2).",
            "section 4.3",
            "runs that moved a bit of the result",
            NONE,
            THEORY,
            partial(measurements.differing, ("max_max", "logarithmic", *TROPICAL), SECOND),
        ),
        Claim(
            "L3a",
            "With the max aggregator, an edge function that is bilinear over the log-semiring "
            "makes a network ignore repeated calls of it (level 3, as implemented).",
            "section 5",
            "largest relative error where what is new is sent at once",
            ROUNDING,
            THEORY,
            partial(measurements.furthest, ("logarithmic",), ("increments",)),
        ),
        Claim(
            "L3b",
            "The same function under its own sum, logsumexp, ignores how calls are cut.",
            "derived from section 5",
            "largest relative error where what is new is sent at once",
            ROUNDING,
            THEORY,
            partial(measurements.furthest, ("log_throughout",), ("increments",)),
        ),
        Claim(
            "C15a",
            "A linear map over the log-semiring does not keep max, the aggregator of the paper's "
            "level 3.",
            "derived from section 5",
            "largest gap between the map of a maximum and the maximum of the maps",
            POSITIVE,
            THEORY,
            partial(measurements.map_violations, "logarithmic", "max"),
        ),
        Claim(
            "C15b",
            "A linear map over the log-semiring keeps logsumexp, to rounding.",
            "derived from section 5",
            "largest gap between the map of a sum and the sum of the maps",
            Region(0.0, 1.0e-5),
            THEORY,
            partial(measurements.map_violations, "logarithmic", "logsumexp"),
        ),
        Claim(
            "C15c",
            "A tropical linear map keeps max, to the last bit.",
            "derived from section 4.1",
            "largest gap between the map of a maximum and the maximum of the maps",
            NONE,
            THEORY,
            partial(measurements.map_violations, "tropical", "max"),
        ),
    ]


def all_claims(figure_2_csv: str | Path) -> list[Claim]:
    """The claims, with the published numbers read from their file."""
    return [*propositions(), *layers(), *claims_trained.all_claims(figure_2_csv)]


def main(scores: str, figure_2_csv: str, path: str, provenance: dict[str, Any]) -> None:
    found, evidence = tables.read(scores, SCORES), claims.evidence_of({}, "cocycles")
    claims.write(path, all_claims(figure_2_csv), found, evidence, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.figure_2,
            snakemake.output.claims,
            provenance=provenance.of(snakemake),
        )
