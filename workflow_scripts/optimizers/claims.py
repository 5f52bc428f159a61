"""The eight claims of the paper and what our scores say about each.

No number of the paper is known, only its abstract and secondary accounts. Every claim here is
therefore a direction, its settings are ours, and digits do not decide claims about MNIST.
"""

from collections.abc import Iterator
from functools import partial

from workflow_scripts.optimizers import measurements
from workflow_scripts.optimizers.measurements import RIVALS
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    NEGATIVE,
    POSITIVE,
    PROTOCOL,
    STAND_IN_OR_PROTOCOL,
    THEORY,
    Claim,
    Published,
    Region,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import untested

ROUNDING = rounding(1.0e-6)
FIRST_ORDER = around(1.0, 0.1)  # order in the rate; 0 and 2 are the alternatives
CHANCE = 0.1  # of a ten-way head
ADAM_RATES = ("0.001", "0.0001")  # the only rates known, from a secondary account
NOTES = "secondary notes"


def direction(text: str, source: str = NOTES) -> Published:
    """A published direction, from a secondary account."""
    return Published(text, "published-2nd", source)


def solutions() -> Iterator[Claim]:
    """Claims 1 and 2: which solution is found, and what can be reached at all."""
    same = "same start, data and network, same training loss: the optimiser changes"
    for id_, experiment, metric, what, quantity in (
        ("O1a", "matched", "sharpness", "how sharp the minimum is", "|log sharpness ratio|"),
        (
            "O1b",
            "matched",
            "activation_effective_rank",
            "the rank of the representation",
            "|log effective rank ratio|",
        ),
        ("O1c", "pairs", "function_distance", "the function", "total variation of predictions"),
    ):
        yield Claim(
            id=id_,
            statement=f"An optimiser shapes which solution is found, not only how fast; {same} "
            f"{what}.",
            source="abstract",
            quantity=f"{quantity} between optimisers minus that between orders of batches",
            region=POSITIVE,
            decided_by=STAND_IN_OR_PROTOCOL,
            test=partial(measurements.beyond_batches, experiment, metric),
            published=Published(
                "the optimiser changes which solution is found", "published", "abstract"
            ),
        )
    reach = "What is reachable given optimiser, start and data is less than what is representable"
    for id_, optimizer, region, what in (
        ("O2a", "sgd", ROUNDING, "SGD from zero finds no solution outside the span of the inputs"),
        ("O2b", "adam", Region(low=1.0e-6), "Adam reaches solutions that SGD cannot"),
    ):
        yield Claim(
            id=id_,
            statement=f"{reach}: {what}.",
            source="abstract; interpretation of the secondary notes",
            quantity="share of the solution outside the span of the inputs",
            region=region,
            decided_by=THEORY,
            test=partial(
                measurements.theory,
                "outside_span",
                "underdetermined linear regression",
                optimizer=optimizer,
            ),
            published=direction("reachable functions are a subset of the representable ones"),
        )


def sequential() -> Iterator[Claim]:
    """Claims 3 and 4: forgetting and rank on permuted tasks, Shampoo against SGD and AdamW."""
    for id_, metric, protocol, region, how in (
        ("O3a", "forgetting", "matched", NEGATIVE, "every task learned to one training loss"),
        ("O3b", "forgetting", "steps", NEGATIVE, "the same steps on every task"),
        ("O3c", "backward_transfer", "steps", POSITIVE, "the same steps, by backward transfer"),
        ("O3d", "forgetting_at_distance", "steps", NEGATIVE, "at equal distance moved on task 2"),
    ):
        yield Claim(
            id=id_,
            statement=f"A non-diagonal preconditioner forgets less than SGD and AdamW: {how}.",
            source=NOTES,
            quantity=f"difference of {metric.replace('_', ' ')}, Shampoo minus rival",
            region=region,
            decided_by=PROTOCOL,
            test=partial(measurements.difference, metric, "permuted", protocol, RIVALS),
            published=direction("Shampoo forgets less"),
        )
    for id_, metric, layer, what in (
        ("O4a", "activation_effective_rank", "hidden1", "representations"),
        ("O4b", "weight_effective_rank", "layer1", "weight matrices"),
    ):
        yield Claim(
            id=id_,
            statement=f"With a non-diagonal preconditioner {what} have a lower effective rank.",
            source=NOTES,
            quantity="difference of effective rank after the last task, Shampoo minus rival",
            region=NEGATIVE,
            decided_by=PROTOCOL,
            test=partial(measurements.difference, metric, "permuted", "steps", RIVALS, layer=layer),
            published=direction(
                "lower effective rank", "secondary notes, which differ on whose rank"
            ),
        )


def class_incremental() -> Iterator[Claim]:
    """Claims 5 and 6: the five pairs of digits, Adam at its two known rates against Shampoo."""
    figure_4 = partial(Claim, source="figure 4, as described by a blog", decided_by=PROTOCOL)
    earlier = "mean accuracy on all pairs but the last"
    adam, shampoo = ("adam", ADAM_RATES), ("shampoo", ["tuned"])
    against_adam = ("classes", "steps", [f"adam {rate}" for rate in ADAM_RATES])
    yield figure_4(
        id="O5a",
        statement="Class by class, Adam ends with almost nothing of the earlier pairs: below "
        "chance.",
        quantity=earlier,
        region=Region(0.0, CHANCE),
        test=partial(measurements.classes, "earlier_accuracy", *adam),
        published=direction("about 0", "blog"),
    )
    yield figure_4(
        id="O5b",
        statement="Class by class, Adam ends near perfect on the last pair.",
        quantity="accuracy on the last pair",
        region=Region(0.9, 1.0),
        test=partial(measurements.classes, "task_accuracy", *adam, of_task=5),
        published=direction("about 1", "blog"),
    )
    yield figure_4(
        id="O5c",
        statement="Shampoo keeps some accuracy on earlier pairs.",
        quantity=earlier,
        region=POSITIVE,
        test=partial(measurements.classes, "earlier_accuracy", *shampoo),
        published=direction("above 0", "blog"),
    )
    yield figure_4(
        id="O5d",
        statement="With Shampoo, accuracy rises from the first pairs to the later ones.",
        quantity="slope of accuracy over the earlier pairs, per pair",
        region=POSITIVE,
        test=partial(measurements.classes, "earlier_accuracy_slope", *shampoo),
        published=direction("rising", "blog"),
    )
    yield figure_4(
        id="O6a",
        statement="Representations of the classes are less similar with Shampoo than with Adam.",
        quantity="difference of the mean cosine between classes, Shampoo minus Adam",
        region=NEGATIVE,
        test=partial(measurements.difference, "class_cosine_mean", *against_adam, layer="hidden1"),
        published=direction("lower", "blog"),
    )
    yield figure_4(
        id="O6b",
        statement="Similarities between classes vary more with Shampoo than with Adam.",
        quantity="difference of the spread of cosines between classes, Shampoo minus Adam",
        region=POSITIVE,
        test=partial(measurements.difference, "class_cosine_sd", *against_adam, layer="hidden1"),
        published=direction("more varied", "blog"),
    )


def power_propagation() -> Iterator[Claim]:
    """Claims 7 and 8: power-propagation as a preconditioner, and the paper's position."""
    recast = direction("power-propagation recast as a preconditioner")
    one_path = "Power-propagation is gradient descent under a preconditioner"
    yield Claim(
        id="O7a",
        statement=f"{one_path}: one small step on phi is the preconditioned step on theta.",
        source="derived",
        quantity="largest relative difference of the two steps",
        region=ROUNDING,
        decided_by=THEORY,
        test=partial(measurements.worst, "identity_error", "random weights, all exponents"),
        published=recast,
    )
    yield Claim(
        id="O7b",
        statement=f"{one_path}: over the same time the two runs diverge in proportion to the "
        "rate, so in the limit they are one path.",
        source="derived",
        quantity="order in the rate of the distance between the two end points",
        region=FIRST_ORDER,
        decided_by=THEORY,
        test=partial(measurements.theory, "path_gap_order", "small networks, float64"),
        published=recast,
    )
    yield Claim(
        id="O7c",
        statement="Sparsity can be a property of the optimiser, without a change of the network.",
        source=NOTES,
        quantity="accuracy after pruning, preconditioned minus plain SGD",
        region=POSITIVE,
        decided_by=STAND_IN_OR_PROTOCOL,
        test=partial(measurements.pruned_gain, 2.0, 0.1),
        published=recast,
    )
    yield Claim(
        id="O8",
        statement="Optimisers should be designed for desired properties and judged on more than "
        "convergence.",
        source="abstract",
        quantity="none",
        region=POSITIVE,
        decided_by=THEORY,
        test=partial(untested, "a position, not a measurable statement"),
        published=Published("a position", "published", "abstract"),
    )


def all_claims() -> list[Claim]:
    """All claims, in the order of the paper."""
    return [*solutions(), *sequential(), *class_incremental(), *power_propagation()]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
