"""The claims of the paper, each with the test that decides it.

Where a claim is "p > 0.05" or "p near 0" for draws, the measured quantity is the share of runs of
1,024 draws that the chi-square test would reject (`metrics.rejection_rate`): this is equivalent and
has an interval. "p near 0" requires 99 of 100 runs to be rejected, "biased" nine of ten, "passes"
at most half. The first two borders are high enough for 1,024 draws of a perfect sampler to
contradict the claim. Where the number behind each draw is known (S9), no test of draws is needed:
the distance from the true images is compared with what chi-square would tolerate.

The paper names families of models (Qwen3, Gemini, OLMo) and large and small ones, without sizes:
the config says which a model is. Stand-ins are measured in the same way and decide nothing.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    NEGATIVE,
    PAPER_MODEL,
    POSITIVE,
    Claim,
    Kind,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested
from workflow_scripts.stochasticity import claims_collisions, claims_ours, measurements
from workflow_scripts.stochasticity.measurements import (
    extreme_condition,
    of_mean,
    of_peak,
    of_test,
)
from workflow_scripts.stochasticity.metrics import TOLERATED

LARGE = ("Qwen3 (large)", "Gemini")
SMALL = ("Qwen3 (small)",)
ALL_MODELS = (*LARGE, *SMALL, "OLMo")

P_NEAR_ZERO = Region(low=0.99, high=1.0)
BIASED = Region(low=0.9, high=1.0)
SELDOM_REJECTED = Region(low=0.0, high=0.5)
REJECTED = "share of runs of 1,024 draws that chi-square rejects"
IMAGES = "total variation between results and true images of the given numbers"
# The smallest excess of the autocorrelation that counts as a period.
PERIOD = Region(low=0.1)

claim = partial(Claim, decided_by=PAPER_MODEL, models=ALL_MODELS)
second_hand = partial(Published, tag="published-2nd")

# What each figure shows, by the ids of claims.
FIGURES = {
    "histograms": ("1",),
    "styles": ("2",),
    "decoding": ("2",),
    "dependence": ("3b", "3c", "4c"),
    "transitions": ("3b",),
    "positions": ("4a", "4b"),
    "generators": ("5a", "5b"),
    "conversion": ("6a", "6b", "6c", "10"),
    "seeds": ("7", "8"),
    "letters": ("9",),
    "power": ("1",),
    "exact": ("X1", "X3", "X4", "X5"),
    "collisions": ("X7", "X8", "X9", "X10", "X11"),
}


def all_claims(
    published: str,
    sizes: Sequence[Sequence[str]] | None,
    stages: Sequence[Sequence[str]],
    models: Mapping[str, Mapping[str, Any]],
) -> list[Claim]:
    """The claims; `published` is the table of published numbers.

    `sizes` and `stages` list models of one family: smallest first, and first stage of training
    first. `models` are the study's models with their entries in the config.
    """
    numbers = pd.read_csv(published, dtype=str).set_index("quantity")["value"]
    near_zero = second_hand(
        value=f"p {numbers['direct_sampling_p_value']}", source="secondary digest E"
    )
    passes = second_hand(
        value=f"p > {numbers['significance_threshold']}", source="secondary notes D, digest E"
    )
    above = float(numbers["model_simulated_PRNG_accuracy_pct"].lstrip(">")) / 100
    return [
        claim(
            id="1",
            statement="When asked directly, models do not draw from a named distribution",
            source="secondary digest E, blog F (S1)",
            quantity=f"{REJECTED}, best of the three targets",
            region=P_NEAR_ZERO,
            published=near_zero,
            test=extreme_condition("rejection_rate", "direct draws", "S1", at_level=of_test),
        ),
        claim(
            id="2",
            statement="No prompt, decoding setting or reasoning fixes this",
            source="secondary digest E (S2, S3, S4)",
            quantity=f"{REJECTED}, best of all wordings and settings",
            region=P_NEAR_ZERO,
            published=near_zero,
            test=extreme_condition(
                "rejection_rate", "any way of asking", "S2", "S3", "S4", at_level=of_test
            ),
        ),
        claim(
            id="3a",
            statement="With all earlier draws in view, the marginal distribution improves",
            source="secondary notes D (S5)",
            quantity="total variation of S1 less that of S5, mean over targets",
            region=POSITIVE,
            published=second_hand(value="better", source="secondary notes D"),
            test=measurements.marginal_gain,
        ),
        claim(
            id="3b",
            statement="With all earlier draws in view, successive draws repel each other",
            source="secondary notes D (S5)",
            quantity="autocorrelation at lag 1, smallest over targets",
            region=NEGATIVE,
            published=second_hand(value="negative", source="secondary notes D"),
            test=extreme_condition("acf", "successive draws", "S5", at_level=of_mean, cell="1"),
        ),
        claim(
            id="3c",
            statement="With only the last draw in view, the sequence is periodic",
            source="secondary notes D (S6)",
            quantity="peak of the autocorrelation beyond what the last draw explains, largest over "
            "targets (periodic: at least 0.1)",
            region=PERIOD,
            published=second_hand(value="periodic", source="secondary notes D"),
            test=extreme_condition(
                "periodicity", "chains", "S6", at_level=of_peak, which="largest"
            ),
        ),
        claim(
            id="4a",
            statement="In a batch, the distribution of a draw depends on its position",
            source="secondary notes D, digest E (S7)",
            quantity="share of runs of 1,024 draws in which chi-square finds that draws depend on "
            "position, largest over batches",
            region=BIASED,
            published=second_hand(value="position-dependent", source="secondary notes D"),
            test=extreme_condition(
                "position_rejection_rate", "batches", "S7", at_level=of_test, which="largest"
            ),
        ),
        claim(
            id="4b",
            statement="Batches contain wrong counts of numbers",
            source="secondary notes D, digest E (S7)",
            quantity="share of replies, not cut off, with a wrong count (claimed: more than 1 in "
            "100)",
            region=Region(low=0.01, high=1.0),
            published=second_hand(value="wrong counts", source="secondary notes D"),
            test=measurements.wrong_counts,
        ),
        claim(
            id="4c",
            statement="Draws in a batch are periodic",
            source="secondary notes D, digest E (S7)",
            quantity="peak of the autocorrelation beyond what the last draw explains, largest over "
            "batches (periodic: at least 0.1)",
            region=PERIOD,
            published=second_hand(value="periodic", source="secondary digest E"),
            test=extreme_condition(
                "periodicity", "batches", "S7", at_level=of_peak, which="largest"
            ),
        ),
        claim(
            id="5a",
            statement="Models simulate a pseudo-random generator in text with over 90 % accuracy",
            source="secondary notes D, digest E (S8)",
            quantity="share of the generator's outputs that are right, best generator",
            region=Region(low=above, high=1.0),
            published=second_hand(value=f"> {above:.0%}", source="secondary notes D"),
            test=extreme_condition(
                "outputs_right", "outputs", "S8", at_level=of_mean, which="largest"
            ),
        ),
        claim(
            id="5b",
            statement="The simulation of the generator is not exact",
            source="secondary notes D, digest E (S8)",
            quantity="share of whole sequences that are right (not exact: less than 99 in 100)",
            region=Region(low=0.0, high=0.99),
            published=second_hand(value="not exactly", source="secondary notes D"),
            test=measurements.exact_sequences,
        ),
        claim(
            id="5c",
            statement="The simulation of the generator costs many tokens",
            source="secondary notes D, digest E (S8)",
            quantity="tokens per output less tokens per direct draw, cheapest generator",
            region=POSITIVE,
            published=second_hand(value="high", source="secondary notes D"),
            test=measurements.token_cost,
        ),
        claim(
            id="6a",
            statement="Given a random number, large models turn it into the target distribution",
            source="abstract (S9)",
            quantity=f"{IMAGES}, digits; at most the share of wrong images",
            region=Region(0.0, TOLERATED),
            published=passes,
            models=LARGE,
            test=measurements.images("bucket", ""),
        ),
        claim(
            id="6b",
            statement="Complicated transforms such as Box-Muller fail",
            source="secondary notes D, digest E (S9)",
            quantity=f"{IMAGES}, Box-Muller",
            region=Region(TOLERATED, 1.0),
            published=second_hand(value="fails", source="secondary notes D"),
            test=measurements.images(
                "box_muller", "box_muller is not under stochasticity.external_maps in this run"
            ),
        ),
        claim(
            id="6c",
            statement="Given a random number, small models do not turn it into the target "
            "distribution",
            source="secondary notes D, digest E (S9)",
            quantity=f"{IMAGES}, digits",
            region=Region(TOLERATED, 1.0),
            published=second_hand(value="cannot", source="secondary notes D, digest E"),
            models=SMALL,
            test=measurements.images("bucket", ""),
        ),
        claim(
            id="7",
            statement="A number that the model makes up itself is biased, and so is the result",
            source="secondary notes D (S10)",
            quantity=f"{REJECTED}, the least biased of the model's own numbers and results",
            region=BIASED,
            published=second_hand(value="biased", source="secondary notes D"),
            test=extreme_condition("rejection_rate", "own numbers", "S10", at_level=of_test),
        ),
        claim(
            id="8",
            statement="With a code tool, large models draw correctly",
            source="secondary notes D, digest E (S11)",
            quantity=f"{REJECTED}, worst target",
            region=SELDOM_REJECTED,
            published=passes,
            models=LARGE,
            test=extreme_condition(
                "rejection_rate",
                "programs",
                "S11",
                at_level=of_test,
                which="largest",
                style="free",
            ),
        ),
        claim(
            id="9",
            statement="When models place the right option of a question at random, they prefer C",
            source="figure 1, as described by blog F (S12)",
            quantity="share of C less the largest share of another letter",
            region=POSITIVE,
            published=second_hand(value="strong preference for C", source="blog F"),
            models=("Gemini",),
            test=measurements.letter_c,
        ),
        claim(
            id="10",
            statement="Turning a given number into the target improves with model size",
            source="secondary notes D, digest E (S9)",
            quantity="share of right images above chance, largest less smallest model",
            region=POSITIVE,
            published=second_hand(value="better", source="secondary digest E"),
            test=partial(
                measurements.size_gain, measurements.by_size(models) if sizes is None else sizes
            ),
        ),
        claim(
            id="11",
            kind=Kind.EXTENSION,  # one line in an unrelated reading list, not the paper
            statement="Post-training strengthens the bias",
            source="an unrelated reading list, weakly sourced (S13)",
            quantity="total variation, last stage of training less first",
            region=POSITIVE,
            models=("OLMo",),
            test=partial(measurements.stage_gain, stages),
        ),
        claim(
            id="12",
            kind=Kind.EXTENSION,  # the paper proposes it and does not test it
            statement="A stateful sampler would be useful to agents (a proposal)",
            source="secondary notes D, digest E",
            quantity="none",
            region=Region(),
            test=partial(untested, "a proposal of the authors, not an experiment"),
        ),
        *claims_ours.all_claims(),
        *claims_collisions.all_claims(),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
