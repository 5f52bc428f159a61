"""The twelve claims of the paper, each with the test that decides it.

Where a claim is "p > 0.05" or "p near 0", the measured quantity is the share of runs of 1,024 draws
that the chi-square test would reject (`metrics.rejection_rate`): this is equivalent and has an
interval. The border is one half: rejected more often than not. All claims are about large models of
2026; stand-ins are measured in the same way and decide nothing.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import NEGATIVE, PAPER_MODEL, POSITIVE, Claim, Published, Region
from workflow_scripts.shared.measurements import untested
from workflow_scripts.stochasticity import measurements
from workflow_scripts.stochasticity.measurements import extreme_condition

MOSTLY_REJECTED = Region(low=0.5, high=1.0)
SELDOM_REJECTED = Region(low=0.0, high=0.5)
REJECTED = "share of runs of 1,024 draws that chi-square rejects"

claim = partial(Claim, decided_by=PAPER_MODEL)
second_hand = partial(Published, tag="published-2nd")


def all_claims(
    published: str, sizes: Sequence[Sequence[str]], stages: Sequence[Sequence[str]]
) -> list[Claim]:
    """The claims; `published` is the table of published numbers.

    `sizes` and `stages` list models of one family: smallest first, and first stage of training
    first.
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
            region=MOSTLY_REJECTED,
            published=near_zero,
            test=extreme_condition("rejection_rate", "direct draws", "S1"),
        ),
        claim(
            id="2",
            statement="No prompt, decoding setting or reasoning fixes this",
            source="secondary digest E (S2, S3, S4)",
            quantity=f"{REJECTED}, best of all wordings and settings",
            region=MOSTLY_REJECTED,
            published=near_zero,
            test=extreme_condition("rejection_rate", "any way of asking", "S2", "S3", "S4"),
        ),
        claim(
            id="3a",
            statement="With all earlier draws in view, the marginal distribution improves",
            source="secondary notes D (S5)",
            quantity="total variation of S1 minus that of S5",
            region=POSITIVE,
            published=second_hand(value="better", source="secondary notes D"),
            test=measurements.marginal_gain,
        ),
        claim(
            id="3b",
            statement="With all earlier draws in view, successive draws repel each other",
            source="secondary notes D (S5)",
            quantity="autocorrelation at lag 1",
            region=NEGATIVE,
            published=second_hand(value="negative", source="secondary notes D"),
            test=extreme_condition("acf", "successive draws", "S5", cell="1"),
        ),
        claim(
            id="3c",
            statement="With only the last draw in view, the sequence is periodic",
            source="secondary notes D (S6)",
            quantity="autocorrelation at the period found in the other half of the chains",
            region=POSITIVE,
            published=second_hand(value="periodic", source="secondary notes D"),
            test=extreme_condition("periodicity", "chains", "S6", which="largest"),
        ),
        claim(
            id="4a",
            statement="In a batch, the distribution of a draw depends on its position",
            source="secondary notes D, digest E (S7)",
            quantity="share of such runs in which chi-square finds that draws depend on position",
            region=MOSTLY_REJECTED,
            published=second_hand(value="position-dependent", source="secondary notes D"),
            test=extreme_condition("position_rejection_rate", "batches", "S7", which="largest"),
        ),
        claim(
            id="4b",
            statement="Batches contain wrong counts of numbers",
            source="secondary notes D, digest E (S7)",
            quantity="share of replies with a wrong count (claimed: more than 1 in 100)",
            region=Region(low=0.01, high=1.0),
            published=second_hand(value="wrong counts", source="secondary notes D"),
            test=extreme_condition("wrong_count_rate", "replies", "S7", which="largest"),
        ),
        claim(
            id="4c",
            statement="Draws in a batch are periodic",
            source="secondary notes D, digest E (S7)",
            quantity="autocorrelation at the period found in the other half of the replies",
            region=POSITIVE,
            published=second_hand(value="periodic", source="secondary digest E"),
            test=extreme_condition("periodicity", "batches", "S7", which="largest"),
        ),
        claim(
            id="5a",
            statement="Models simulate a pseudo-random generator in text with over 90 % accuracy",
            source="secondary notes D, digest E (S8)",
            quantity="share of the generator's outputs that are right",
            region=Region(low=above, high=1.0),
            published=second_hand(value=f"> {above:.0%}", source="secondary notes D"),
            test=extreme_condition("outputs_right", "outputs", "S8", which="largest"),
        ),
        claim(
            id="5b",
            statement="The simulation of the generator is not exact",
            source="secondary notes D, digest E (S8)",
            quantity="share of whole sequences that are right",
            region=Region(low=0.0, high=0.999),
            published=second_hand(value="not exactly", source="secondary notes D"),
            test=extreme_condition("sequences_right", "sequences", "S8", which="largest"),
        ),
        claim(
            id="5c",
            statement="The simulation of the generator costs many tokens",
            source="secondary notes D, digest E (S8)",
            quantity="tokens per output minus tokens per direct draw",
            region=POSITIVE,
            published=second_hand(value="high", source="secondary notes D"),
            test=measurements.token_cost,
        ),
        claim(
            id="6a",
            statement="Given a random number, large models turn it into the target distribution",
            source="abstract (S9)",
            quantity=f"{REJECTED}, digits from an external number",
            region=SELDOM_REJECTED,
            published=passes,
            test=extreme_condition(
                "rejection_rate", "bucket of a given number", "S9", style="bucket"
            ),
        ),
        claim(
            id="6b",
            statement="Complicated transforms such as Box-Muller fail",
            source="secondary notes D, digest E (S9)",
            quantity=f"{REJECTED}, Box-Muller",
            region=MOSTLY_REJECTED,
            published=second_hand(value="fails", source="secondary notes D"),
            test=measurements.box_muller,
        ),
        claim(
            id="7",
            statement="A number that the model makes up itself is biased, and so is the result",
            source="secondary notes D (S10)",
            quantity=f"{REJECTED}, the model's own seeds",
            region=MOSTLY_REJECTED,
            published=second_hand(value="biased", source="secondary notes D"),
            test=extreme_condition("rejection_rate", "own seeds", "S10", target="seed"),
        ),
        claim(
            id="8",
            statement="With a code tool, large models draw correctly",
            source="secondary notes D, digest E (S11)",
            quantity=f"{REJECTED}, worst target",
            region=SELDOM_REJECTED,
            published=passes,
            test=extreme_condition(
                "rejection_rate", "programs", "S11", which="largest", style="free"
            ),
        ),
        claim(
            id="9",
            statement="When models place the right option of a question at random, they prefer C",
            source="figure 1, as described by blog F (S12)",
            quantity="share of C minus 1/4",
            region=POSITIVE,
            published=second_hand(value="strong preference for C", source="blog F"),
            test=measurements.letter_c,
        ),
        claim(
            id="10",
            statement="Turning a given number into the target improves with model size",
            source="secondary notes D, digest E (S9)",
            quantity="share of right images, largest minus smallest model",
            region=POSITIVE,
            published=second_hand(value="better", source="secondary digest E"),
            test=partial(measurements.size_gain, sizes),
        ),
        claim(
            id="11",
            statement="Post-training strengthens the bias (weakly sourced)",
            source="one line in an unrelated reading list (S13)",
            quantity="total variation, last stage of training minus first",
            region=POSITIVE,
            test=partial(measurements.stage_gain, stages),
        ),
        claim(
            id="12",
            statement="A stateful sampler would be useful to agents (a proposal)",
            source="secondary notes D, digest E",
            quantity="none",
            region=Region(),
            test=partial(untested, "a proposal of the authors, not an experiment"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
