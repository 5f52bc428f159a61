"""The twelve claims of the paper, and what our scores say about each.

Where a claim is "p > 0.05" or "p near 0", the measured quantity is the share of runs of 1,024
draws that the chi-square test would reject (`analysis.rejection_rate`): it says the same, and it
has an interval. A half is the border: more often rejected than not. Claims are about large models
of 2026; stand-ins are measured by the same rules and decide nothing.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.shared import claims, job, provenance, schemas, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region
from workflow_scripts.stochasticity import measuring

PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
MOSTLY_REJECTED = Region(low=0.5, high=1.0)
SELDOM_REJECTED = Region(low=0.0, high=0.5)
POSITIVE = Region(low=1.0e-9)  # zero itself is not in it
NEGATIVE = Region(high=-1.0e-9)


def build(
    published: pd.Series, sizes: Sequence[Sequence[str]], stages: Sequence[Sequence[str]]
) -> list[Claim]:
    """The claims; `published` maps quantities of the published table to their values."""

    def claim(
        number: str, text: str, where: str, quantity: str, region: Region, **more: Any
    ) -> Claim:
        return Claim(number, text, where, quantity, region, PAPER_MODEL, **more)

    def least(metric: str, what: str, *experiments: str, best: str = "min", **wanted: Any) -> Any:
        return partial(measuring.extreme, metric, experiments, best, what, wanted)

    second = "published-2nd"
    near_zero = Published(f"p {published['direct_sampling_p_value']}", second, "secondary digest E")
    passes = Published(
        f"p > {published['significance_threshold']}", second, "secondary notes D, digest E"
    )
    above = float(published["model_simulated_PRNG_accuracy_pct"].lstrip(">")) / 100
    rejected = "share of runs of 1,024 draws that chi-square rejects"
    return [
        claim(
            "1",
            "Asked directly, models do not draw from a named distribution",
            "secondary digest E, blog F (S1)",
            f"{rejected}, best of the three targets",
            MOSTLY_REJECTED,
            published=near_zero,
            test=least("rejection_rate", "direct draws", "S1"),
        ),
        claim(
            "2",
            "No prompt, decoding setting or reasoning repairs it",
            "secondary digest E (S2, S3, S4)",
            f"{rejected}, best of all wordings and settings",
            MOSTLY_REJECTED,
            published=near_zero,
            test=least("rejection_rate", "any way of asking", "S2", "S3", "S4"),
        ),
        claim(
            "3a",
            "With all earlier draws in view the marginal distribution gets better",
            "secondary notes D (S5)",
            "total variation of S1 less that of S5",
            POSITIVE,
            published=Published("better", second, "secondary notes D"),
            test=measuring.marginal_gain,
        ),
        claim(
            "3b",
            "With all earlier draws in view successive draws repel each other",
            "secondary notes D (S5)",
            "autocorrelation at lag 1",
            NEGATIVE,
            published=Published("negative", second, "secondary notes D"),
            test=least("acf", "successive draws", "S5", cell="1"),
        ),
        claim(
            "3c",
            "With only the last draw in view the sequence is periodic",
            "secondary notes D (S6)",
            "autocorrelation at the period seen in the other half of the chains",
            POSITIVE,
            published=Published("periodic", second, "secondary notes D"),
            test=least("periodicity", "chains", "S6", best="max"),
        ),
        claim(
            "4a",
            "In a batch the distribution of a draw depends on its place",
            "secondary notes D, digest E (S7)",
            "share of such runs in which chi-square finds draws to depend on their place",
            MOSTLY_REJECTED,
            published=Published("position-dependent", second, "secondary notes D"),
            test=least("position_rejection_rate", "batches", "S7", best="max"),
        ),
        claim(
            "4b",
            "Batches hold wrong counts of numbers",
            "secondary notes D, digest E (S7)",
            "share of replies with a wrong count (claimed: more than 1 in 100)",
            Region(low=0.01, high=1.0),
            published=Published("wrong counts", second, "secondary notes D"),
            test=least("wrong_count_rate", "replies", "S7", best="max"),
        ),
        claim(
            "4c",
            "Draws of a batch have a period",
            "secondary notes D, digest E (S7)",
            "autocorrelation at the period seen in the other half of the replies",
            POSITIVE,
            published=Published("periodic", second, "secondary digest E"),
            test=least("periodicity", "batches", "S7", best="max"),
        ),
        claim(
            "5a",
            "Models simulate a pseudo-random generator in text with over 90 % accuracy",
            "secondary notes D, digest E (S8)",
            "share of the generator's outputs that are right",
            Region(low=above, high=1.0),
            published=Published(f"> {above:.0%}", second, "secondary notes D"),
            test=least("outputs_right", "outputs", "S8", best="max"),
        ),
        claim(
            "5b",
            "but not exactly",
            "secondary notes D, digest E (S8)",
            "share of whole sequences that are right",
            Region(low=0.0, high=0.999),
            published=Published("not exactly", second, "secondary notes D"),
            test=least("sequences_right", "sequences", "S8", best="max"),
        ),
        claim(
            "5c",
            "and at high token cost",
            "secondary notes D, digest E (S8)",
            "tokens for an output less tokens for a direct draw",
            POSITIVE,
            published=Published("high", second, "secondary notes D"),
            test=measuring.token_cost,
        ),
        claim(
            "6a",
            "Given a random number, large models turn it into the target distribution",
            "abstract (S9)",
            f"{rejected}, digits from an external number",
            SELDOM_REJECTED,
            published=passes,
            test=least("rejection_rate", "bucket of a given number", "S9", style="bucket"),
        ),
        claim(
            "6b",
            "Complicated transforms such as Box-Muller fail",
            "secondary notes D, digest E (S9)",
            f"{rejected}, Box-Muller",
            MOSTLY_REJECTED,
            published=Published("fails", second, "secondary notes D"),
            test=measuring.box_muller,
        ),
        claim(
            "7",
            "A number that the model makes up itself is biased, and so is the result",
            "secondary notes D (S10)",
            f"{rejected}, the model's own seeds",
            MOSTLY_REJECTED,
            published=Published("biased", second, "secondary notes D"),
            test=least("rejection_rate", "own seeds", "S10", target="seed"),
        ),
        claim(
            "8",
            "With a code tool, large models draw as they should",
            "secondary notes D, digest E (S11)",
            f"{rejected}, worst target",
            SELDOM_REJECTED,
            published=passes,
            test=least("rejection_rate", "programs", "S11", best="max", style="free"),
        ),
        claim(
            "9",
            "Placing the right option of a question at random, models prefer C",
            "figure 1, as blog F tells it (S12)",
            "share of C less 1/4",
            POSITIVE,
            published=Published("strong preference for C", second, "blog F"),
            test=measuring.letter_c,
        ),
        claim(
            "10",
            "Turning a given number into the target gets better with size",
            "secondary notes D, digest E (S9)",
            "share of right images, largest less smallest model",
            POSITIVE,
            published=Published("better", second, "secondary digest E"),
            test=partial(measuring.size_gain, sizes),
        ),
        claim(
            "11",
            "Post-training strengthens the bias (weakly sourced)",
            "one line in an unrelated reading list (S13)",
            "total variation, last stage of training less first",
            POSITIVE,
            test=partial(measuring.stage_gain, stages),
        ),
        claim(
            "12",
            "A stateful sampler would serve agents (a proposal)",
            "secondary notes D, digest E",
            "none",
            Region(),
            test=measuring.scheme,
        ),
    ]


def main(
    scores: str | Path,
    published: str | Path,
    path: str | Path,
    models: dict[str, Any],
    sizes: Sequence[Sequence[str]],
    stages: Sequence[Sequence[str]],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Judge the claims on the scores and write them."""
    numbers = pd.read_csv(published, dtype=str).set_index("quantity")["value"]
    claims.write(
        path,
        build(numbers, sizes, stages),
        tables.read(scores, schemas.SCORES),
        claims.evidence_of(models, "stochasticity"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.published,
            snakemake.output.claims,
            snakemake.params.models,
            snakemake.params.sizes,
            snakemake.params.stages,
            provenance.of(snakemake),
        )
