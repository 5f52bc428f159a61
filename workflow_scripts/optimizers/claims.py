"""The eight claims of the paper and what our scores say about each.

No number of the paper is known: only its abstract and others' accounts of it. So every claim here
is a direction, its settings are ours, and what is said of MNIST is not decided by digits.
"""

from functools import partial
from typing import Any

from workflow_scripts.optimizers import measurements
from workflow_scripts.optimizers.measurements import RIVALS
from workflow_scripts.shared import claims, job, provenance, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region
from workflow_scripts.shared.schemas import SCORES

THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
# For claims that one example can show, whatever the data.
ANY = frozenset({Evidence.PROTOCOL, Evidence.STAND_IN})
POSITIVE = Region(low=1.0e-9)
NEGATIVE = Region(high=-1.0e-9)
ROUNDING = Region(0.0, 1.0e-6)
FIRST_ORDER = Region(0.9, 1.1)  # in the rate; 0 and 2 are the neighbours to tell apart
CHANCE = 0.1  # of a ten-way head
ADAM_RATES = ("0.001", "0.0001")  # published-2nd, the only rates known
SECOND = "published-2nd"
NOTES = "secondary notes"


def direction(text: str, source: str = NOTES) -> Published:
    return Published(text, SECOND, source)


def solutions() -> list[Claim]:
    """Claims 1 and 2: which solution is found, and what can be reached at all."""
    abstract = Published("the optimiser changes which solution is found", "published", "abstract")
    same = "same start, data and network, same training loss: the optimiser changes "
    kinds = (
        ("O1a", "matched", "sharpness", "how sharp the minimum is", "|log sharpness ratio|"),
        (
            "O1b",
            "matched",
            "activation_effective_rank",
            "the rank of the representation",
            "|log effective rank ratio|",
        ),
        ("O1c", "pairs", "function_distance", "the function", "total variation of predictions"),
    )
    found = [
        Claim(
            name,
            f"An optimiser shapes which solution is found, not only how fast; {same}{what}.",
            "abstract",
            f"{quantity} between optimisers less that between orders of batches",
            POSITIVE,
            ANY,
            partial(measurements.beyond_batches, experiment, metric),
            abstract,
        )
        for name, experiment, metric, what, quantity in kinds
    ]
    reach = "What is reachable given optimiser, start and data is less than what is representable"
    for name, optimizer, region, what in (
        ("O2a", "sgd", ROUNDING, "SGD from zero finds no solution outside the span of the inputs"),
        ("O2b", "adam", Region(low=1.0e-6), "Adam reaches solutions that SGD cannot"),
    ):
        found.append(
            Claim(
                name,
                f"{reach}: {what}.",
                "abstract; reading of the notes",
                "share of the solution outside the span of the inputs",
                region,
                THEORY,
                partial(
                    measurements.theory,
                    "outside_span",
                    "underdetermined linear regression",
                    optimizer=optimizer,
                ),
                direction("reachable functions are a subset of the representable ones"),
            )
        )
    return found


def sequential() -> list[Claim]:
    """Claims 3 and 4: forgetting and rank on permuted tasks, Shampoo against SGD and AdamW."""
    less = direction("Shampoo forgets less")
    forgets = "A non-diagonal preconditioner forgets less than SGD and AdamW"
    ways = (
        ("O3a", "forgetting", "matched", NEGATIVE, "every task learned to one training loss"),
        ("O3b", "forgetting", "steps", NEGATIVE, "the same steps on every task"),
        ("O3c", "backward_transfer", "steps", POSITIVE, "the same steps, by backward transfer"),
        ("O3d", "forgetting_at_distance", "steps", NEGATIVE, "at equal distance walked on task 2"),
    )
    found = [
        Claim(
            name,
            f"{forgets}: {how}.",
            NOTES,
            f"difference of {metric.replace('_', ' ')}, Shampoo less rival",
            region,
            PROTOCOL,
            partial(measurements.difference, metric, "permuted", protocol, RIVALS),
            less,
        )
        for name, metric, protocol, region, how in ways
    ]
    for name, metric, layer, what in (
        ("O4a", "activation_effective_rank", "hidden1", "representations"),
        ("O4b", "weight_effective_rank", "layer1", "weight matrices"),
    ):
        found.append(
            Claim(
                name,
                f"With a non-diagonal preconditioner {what} have a lower effective rank.",
                NOTES,
                "difference of effective rank after the last task, Shampoo less rival",
                NEGATIVE,
                PROTOCOL,
                partial(measurements.difference, metric, "permuted", "steps", RIVALS, layer=layer),
                direction("lower effective rank", "secondary notes, which differ on what of"),
            )
        )
    return found


def class_incremental() -> list[Claim]:
    """Claims 5 and 6: the five pairs of digits, Adam at its two known rates against Shampoo."""
    figure = "figure 4, as read out by a blog"
    adams = [f"adam {rate}" for rate in ADAM_RATES]
    return [
        Claim(
            "O5a",
            "Class by class, Adam ends with almost nothing of the earlier pairs: below chance.",
            figure,
            "mean accuracy on all pairs but the last",
            Region(0.0, CHANCE),
            PROTOCOL,
            partial(measurements.classes, "earlier_accuracy", "adam", ADAM_RATES),
            direction("about 0", "blog"),
        ),
        Claim(
            "O5b",
            "Class by class, Adam ends near perfect on the last pair.",
            figure,
            "accuracy on the last pair",
            Region(0.9, 1.0),
            PROTOCOL,
            partial(measurements.classes, "task_accuracy", "adam", ADAM_RATES, of_task=5),
            direction("about 1", "blog"),
        ),
        Claim(
            "O5c",
            "Shampoo keeps some accuracy on earlier pairs.",
            figure,
            "mean accuracy on all pairs but the last",
            POSITIVE,
            PROTOCOL,
            partial(measurements.classes, "earlier_accuracy", "shampoo", ["tuned"]),
            direction("above 0", "blog"),
        ),
        Claim(
            "O5d",
            "With Shampoo accuracy rises from the first pairs to the later ones.",
            figure,
            "slope of accuracy over the earlier pairs, a pair",
            POSITIVE,
            PROTOCOL,
            partial(measurements.classes, "earlier_accuracy_slope", "shampoo", ["tuned"]),
            direction("rising", "blog"),
        ),
        Claim(
            "O6a",
            "Representations of the classes are less alike with Shampoo than with Adam.",
            figure,
            "difference of the mean cosine between classes, Shampoo less Adam",
            NEGATIVE,
            PROTOCOL,
            partial(
                measurements.difference,
                "class_cosine_mean",
                "classes",
                "steps",
                adams,
                layer="hidden1",
            ),
            direction("lower", "blog"),
        ),
        Claim(
            "O6b",
            "Similarities between classes vary more with Shampoo than with Adam.",
            figure,
            "difference of the spread of cosines between classes, Shampoo less Adam",
            POSITIVE,
            PROTOCOL,
            partial(
                measurements.difference,
                "class_cosine_sd",
                "classes",
                "steps",
                adams,
                layer="hidden1",
            ),
            direction("more varied", "blog"),
        ),
    ]


def power_propagation() -> list[Claim]:
    """Claims 7 and 8."""
    recast = direction("power-propagation recast as a preconditioner")
    one_path = "Power-propagation is gradient descent under a preconditioner"
    return [
        Claim(
            "O7a",
            f"{one_path}: one small step on phi is the preconditioned step on theta.",
            "derived",
            "largest relative difference of the two steps",
            ROUNDING,
            THEORY,
            partial(measurements.worst, "identity_error", "random weights, all exponents"),
            recast,
        ),
        Claim(
            "O7b",
            f"{one_path}: over the same time the two trainings part in proportion to the rate, so "
            "that they are one path in the limit.",
            "derived",
            "order in the rate of the distance between the two end points",
            FIRST_ORDER,
            THEORY,
            partial(measurements.theory, "path_gap_order", "small networks, float64"),
            recast,
        ),
        Claim(
            "O7c",
            "Sparsity can be a property of the optimiser, without a change of the network.",
            NOTES,
            "accuracy after pruning, preconditioned less plain SGD",
            POSITIVE,
            ANY,
            partial(measurements.pruned_gain, 2.0, 0.1),
            recast,
        ),
        Claim(
            "O8",
            "Optimisers should be designed for wanted properties and judged on more than "
            "convergence.",
            "abstract",
            "none",
            POSITIVE,
            THEORY,
            partial(measurements.untested, "a position, not a measurable statement"),
            Published("a position", "published", "abstract"),
        ),
    ]


def all_claims() -> list[Claim]:
    return [*solutions(), *sequential(), *class_incremental(), *power_propagation()]


def main(scores: str, path: str, provenance: dict[str, Any]) -> None:
    evidence = claims.evidence_of({}, "optimizers")  # this study asks no language model
    claims.write(path, all_claims(), tables.read(scores, SCORES), evidence, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.output.claims,
            provenance=provenance.of(snakemake),
        )
