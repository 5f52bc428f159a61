"""The eight claims of the paper, our controls, and what decides each.

No number of the paper is known, only its abstract and secondary accounts. So every claim is a
direction, and its settings are ours. Only MNIST decides claims about MNIST.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from workflow_scripts.optimizers import measurements
from workflow_scripts.optimizers.measurements import RIVALS, Known
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    NEGATIVE,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    Kind,
    Published,
    Region,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import untested
from workflow_scripts.shared.protocol import Setting

ROUNDING = rounding(1.0e-6)
# At a rate of 1e-8 the term of second order stays below this; a wrong preconditioner is far above.
ONE_STEP = rounding(1.0e-5)
FIRST_ORDER = around(1.0, 0.1)  # order in the rate; 0 and 2 are the alternatives
CHANCE = 0.1  # of a ten-way head
ADAM_RATES = ("0.001", "0.0001")  # the only rates known, from a secondary account
NOTES = "secondary notes"
# The official notebook of power-propagation, resources/published/
# optimizers_powerpropagation_official_settings.csv.
NAMES = {"hidden": "widths", "alphas": "exponents", "valid": "images held out"}
NOTEBOOK: dict[str, Any] = {
    "hidden": [300, 100],
    "alphas": [1, 2, 3, 4, 5],
    "rate": 0.1,
    "batch": 60,
    "steps": 50000,
    "least_kept": 0.01,
    "levels": 20,
    "valid": 5000,
}

# What each figure shows, by the ids of claims.
FIGURES = {
    "reachable": ("O2a", "O2b"),
    "changes": ("O1a", "O1b", "O1c"),
    "pairs": ("O1a", "O1b", "O1c"),
    "forgetting": ("O3a", "O3b", "O3c", "O3d", "O3e", "O3f", "O3g", "O3h"),
    "rank": ("O4a", "O4b"),
    "classes": ("O5a", "O5b", "O5c", "O5d", "O6a", "O6b"),
    "power": ("O7a", "O7b"),
    "sparsity": ("O7c",),
    "tuning": ("O3a", "O3b", "O3c"),
}


def direction(text: str, source: str = NOTES) -> Published:
    """A published direction, from a secondary account."""
    return Published(text, "published-2nd", source)


def of_streams(hidden: Sequence[int], fixed_rates: Sequence[float]) -> Known:
    """The known settings of the paper beside its data: almost nothing is.

    They are one or two hidden layers and Adam's two rates. Widths, steps, batches, tasks, seeds and
    the rates of the other optimisers are not known.
    """
    layers, adam = len(hidden), [float(rate) for rate in ADAM_RATES]
    run = [rate for rate in adam if rate in fixed_rates]
    return (
        Setting("hidden layers", layers, min(layers, 2), source="research note: one and two"),
        Setting("Adam's rates", run, adam, source="blog"),
    )


def of_notebook(sparsity: dict[str, Any], pruning: dict[str, Any], valid: int) -> Known:
    """The settings of the official notebook of power-propagation, beside its data.

    `sparsity` and `pruning` are those sections of the config, `valid` the images held out.
    """
    run = {**sparsity, **pruning, "valid": valid}
    source = "official notebook"
    return tuple(
        Setting(NAMES.get(key, key), run[key], value, source=source)
        for key, value in NOTEBOOK.items()
    )


def solutions(known: Known) -> Iterator[Claim]:
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
            decided_by=ANY_PROTOCOL,
            test=partial(measurements.beyond_batches, experiment, metric, known),
            published=Published(
                "the optimiser changes which solution is found", "published", "abstract"
            ),
        )
    reach = "What is reachable given optimiser, start and data is less than what is representable"
    for id_, optimizer, which, region, what in (
        (
            "O2a",
            "sgd",
            "largest",
            ROUNDING,
            "SGD from zero finds no solution outside the span of the inputs",
        ),
        ("O2b", "adam", "least", Region(low=1.0e-6), "Adam reaches solutions that SGD cannot"),
    ):
        yield Claim(
            id=id_,
            kind=Kind.EXTENSION,  # the paper argues the point; the regression is ours
            statement=f"{reach}: {what}.",
            source="abstract; interpretation of the secondary notes",
            quantity=f"share of the solution outside the span of the inputs, {which} of all cases",
            region=region,
            decided_by=THEORY,
            test=partial(
                measurements.theory,
                f"outside_span_{which}",
                "underdetermined linear regression",
                optimizer=optimizer,
            ),
            published=direction("reachable functions are a subset of the representable ones"),
        )


def forgetting(known: Known) -> Iterator[Claim]:
    """Claim 3: forgetting on permuted tasks, Shampoo against SGD and AdamW."""
    for id_, kind, metric, way, region, how in (
        ("O3a", Kind.PAPER, "forgetting", "matched", NEGATIVE, "each task at one training loss"),
        ("O3b", Kind.PAPER, "forgetting", "steps", NEGATIVE, "the same steps on each task"),
        (
            "O3c",
            Kind.CONTROL,
            "backward_transfer",
            "steps",
            POSITIVE,
            "the same steps, by backward transfer",
        ),
        (
            "O3d",
            Kind.CONTROL,
            "forgetting_at_distance",
            "steps",
            NEGATIVE,
            "at equal distance moved on task 2",
        ),
    ):
        yield Claim(
            id=id_,
            kind=kind,
            statement=f"A non-diagonal preconditioner forgets less than SGD and AdamW: {how}.",
            source=NOTES,
            quantity=f"difference of {metric.replace('_', ' ')}, Shampoo minus rival",
            region=region,
            decided_by=PROTOCOL,
            test=partial(measurements.difference, metric, "permuted", way, RIVALS, known),
            published=direction("Shampoo forgets less"),
        )


def causes_of_forgetting(known: Known) -> Iterator[Claim]:
    """Controls of claim 3: is it the off-diagonal terms, or that Shampoo sums its statistics?

    A mechanism holds on any images, so these are decided on any.
    """
    control = partial(
        Claim,
        kind=Kind.CONTROL,
        source="ours; see Ashley, Ghiassian and Sutton (arXiv 2102.07686)",
        region=NEGATIVE,
        decided_by=ANY_PROTOCOL,
    )
    forgotten = partial(measurements.difference, "forgetting", "permuted")
    twin = "The off-diagonal terms of Shampoo reduce forgetting: it forgets less than AdaGrad, its"
    for id_, way, how in (
        ("O3e", "matched", "each task at one training loss"),
        ("O3f", "steps", "the same steps on each task"),
    ):
        yield control(
            id=id_,
            statement=f"{twin} diagonal twin with the same summed statistics; {how}.",
            quantity="difference of forgetting, Shampoo minus AdaGrad",
            test=partial(forgotten, way, ("adagrad",), known),
        )
    yield control(
        id="O3g",
        statement="Shampoo forgets less than SGD and AdamW also when each task starts with a new "
        "optimiser state; the same steps on each task.",
        quantity="difference of forgetting with the state reset, Shampoo minus rival",
        test=partial(forgotten, "steps", RIVALS, known, state="reset"),
    )
    yield control(
        id="O3h",
        statement="Shampoo forgets less than SGD and AdamW also when it averages its statistics "
        "instead of summing them; the same steps on each task.",
        quantity="difference of forgetting, Shampoo with moving averages minus rival",
        test=partial(forgotten, "steps", RIVALS, known, optimizer="shampoo_averaged"),
    )


def ranks(known: Known) -> Iterator[Claim]:
    """Claim 4: ranks on permuted tasks, Shampoo against SGD and AdamW."""
    for id_, metric, layer, what in (
        ("O4a", "activation_effective_rank", "hidden1", "representations"),
        ("O4b", "weight_effective_rank", "layer1", "weight matrices"),
    ):
        compared = (metric, "permuted", "steps", RIVALS, known)
        yield Claim(
            id=id_,
            statement=f"With a non-diagonal preconditioner {what} have a lower effective rank.",
            source=NOTES,
            quantity="difference of effective rank after the last task, Shampoo minus rival",
            region=NEGATIVE,
            decided_by=PROTOCOL,
            test=partial(measurements.difference, *compared, layer=layer),
            published=direction(
                "lower effective rank", "secondary notes, which differ on whose rank"
            ),
        )


def class_incremental(known: Known) -> Iterator[Claim]:
    """Claims 5 and 6: the five pairs of digits, Adam at its two known rates against Shampoo."""
    figure_4 = partial(Claim, source="figure 4, as described by a blog", decided_by=PROTOCOL)
    earlier = "mean accuracy on all pairs but the last"
    adam, shampoo = ("adam", ADAM_RATES, known), ("shampoo", ["tuned"], known)
    against_adam = ("classes", "steps", [f"adam {rate}" for rate in ADAM_RATES], known)
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
        statement="Shampoo keeps more accuracy on earlier pairs than Adam.",
        quantity=f"difference of the {earlier}, Shampoo minus Adam",
        region=POSITIVE,
        test=partial(measurements.difference, "earlier_accuracy", *against_adam),
        published=direction("above 0, Adam about 0", "blog"),
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


def power_propagation(known: Known) -> Iterator[Claim]:
    """Claims 7 and 8: power-propagation as a preconditioner, and the paper's position."""
    recast = direction("power-propagation recast as a preconditioner")
    one_path = "Power-propagation is gradient descent under a preconditioner"
    yield Claim(
        id="O7a",
        statement=f"{one_path}: one small step on phi is the preconditioned step on theta.",
        source="derived",
        quantity="largest relative difference of the two steps at a rate of 1e-8",
        region=ONE_STEP,
        decided_by=THEORY,
        test=partial(measurements.worst, "finite_step_error", "random weights, all exponents"),
        published=recast,
    )
    yield Claim(
        id="O7b",
        kind=Kind.EXTENSION,
        statement=f"{one_path}: over the same time the two runs diverge in proportion to the "
        "rate, so in the limit they are one path.",
        source="derived",
        quantity="order in the rate of the distance between the two end points, median of runs",
        region=FIRST_ORDER,
        decided_by=THEORY,
        test=partial(measurements.orders, "small networks, float64"),
        published=recast,
    )
    yield Claim(
        id="O7c",
        statement="Sparsity can be a property of the optimiser, without a change of the network.",
        source=NOTES,
        quantity="accuracy after pruning, preconditioned minus plain SGD",
        region=POSITIVE,
        decided_by=ANY_PROTOCOL,
        test=partial(measurements.pruned_gain, 2.0, 0.1, known),
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


def all_claims(
    hidden: list[int],
    fixed_rates: list[float],
    sparsity: dict[str, Any],
    pruning: dict[str, Any],
    valid: int,
) -> list[Claim]:
    """All claims, in the order of the paper; the arguments are sections of the config.

    They decide which kind of evidence a run on MNIST gives.
    """
    streams = of_streams(hidden, fixed_rates)
    return [
        *solutions(streams),
        *forgetting(streams),
        *causes_of_forgetting(streams),
        *ranks(streams),
        *class_incremental(streams),
        *power_propagation(of_notebook(sparsity, pruning, valid)),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
