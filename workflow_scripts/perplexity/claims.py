"""The twelve claims of the paper and what our scores say about each.

Claims about the copier and the parity models are tried with the paper's protocol as far as it is
known; what it says of Gemma 3 4B only that model can decide.
"""

from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.perplexity import measurements
from workflow_scripts.perplexity.claims_theory import (
    MOST,
    NEGATIVE,
    NONE,
    POSITIVE,
    PROTOCOL,
    section_3,
    section_4,
)
from workflow_scripts.shared import claims, job, provenance, readings, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region
from workflow_scripts.shared.schemas import SCORES

FIGURE_2 = frozenset({Evidence.PROTOCOL, Evidence.PAPER_MODEL})
TOP_QUARTER, BOTTOM_QUARTER = Region(low=0.75), Region(high=0.25)


def all_claims(published_csv: str | Path, parity_longest: int) -> list[Claim]:
    """The claims, with the published numbers read from their file."""
    near, far = (
        measurements.published_correlations(published_csv)[split]
        for split in ("in-distribution", "out-of-distribution")
    )
    return [*section_3(), *figure_2(), *section_4(), *parity(near, far, parity_longest)]


def figure_2() -> list[Claim]:
    """C7 on small copiers; models beside Gemma 3 4B are read and decide nothing."""
    source = "figure 2"
    return [
        Claim(
            "C7a",
            "The output distributions on alpha and beta approach each other with n.",
            source,
            "log-log slope of their largest difference against n",
            NEGATIVE,
            FIGURE_2,
            partial(measurements.slope, "gap"),
            Published("shrinks", "published", source),
        ),
        Claim(
            "C7b",
            "The probability of continuing alpha stays high at most sizes.",
            source,
            "share of sizes with more than 1/2 on every bit",
            MOST,
            FIGURE_2,
            measurements.stays_high,
            Published("high for most sizes", "published", source),
        ),
        Claim(
            "C7c",
            "The probability of writing beta's flipped bit collapses.",
            source,
            "that probability at the largest size",
            Region(high=0.5),
            FIGURE_2,
            partial(measurements.at_largest, "beta_flip"),
            Published("collapses", "published", source),
        ),
        Claim(
            "C7d",
            "The log-perplexities of alpha and beta approach each other.",
            source,
            "log-log slope of their difference against n",
            NEGATIVE,
            FIGURE_2,
            partial(measurements.slope, "nats_apart"),
            Published("approach each other", "published", source),
        ),
    ]


def parity(near: tuple[float, str], far: tuple[float, str], longest: int) -> list[Claim]:
    source = "section 4.5, figure 4"
    return [
        Claim(
            "C11a",
            "Over parity checkpoints, log-perplexity and micro-F1 correlate negatively in "
            "distribution.",
            source,
            "Pearson r, target read after every bit",
            NEGATIVE,
            PROTOCOL,
            partial(measurements.correlation, "prefix", longest),
            Published(near[0], near[1], source),
        ),
        Claim(
            "C11b",
            "Out of distribution, at size 128, they correlate positively.",
            source,
            "Pearson r, target read after every bit",
            POSITIVE,
            PROTOCOL,
            partial(measurements.correlation, "prefix", None),
            Published(far[0], far[1], source),
        ),
        Claim(
            "C11c",
            "The same, target read after the last bit only.",
            source,
            "Pearson r, target read after the last bit",
            POSITIVE,
            PROTOCOL,
            partial(measurements.correlation, "final", None),
            Published(far[0], far[1], source),
        ),
        Claim(
            "C11d",
            "The best checkpoint out of distribution has one of the worst perplexities there (we "
            "ask for the worst quarter).",
            source,
            "share of checkpoints with a lower log-perplexity",
            TOP_QUARTER,
            PROTOCOL,
            partial(measurements.best_rank, "nats"),
            Published("one of the worst", "published", source),
        ),
        Claim(
            "C11e",
            "It has one of the lowest entropies there (we ask for the lowest quarter).",
            source,
            "share of checkpoints with a lower entropy",
            BOTTOM_QUARTER,
            PROTOCOL,
            partial(measurements.best_rank, "entropy_nats"),
            Published("one of the lowest", "published", source),
        ),
        Claim(
            "C12a",
            "Choosing by perplexity out of distribution costs accuracy there.",
            "section 4.5, as a decision",
            "regret of perplexity over parity checkpoints",
            POSITIVE,
            PROTOCOL,
            partial(measurements.regret, "nats", "out of distribution"),
        ),
        Claim(
            "C12b",
            "The logarithm itself misleads, beyond averaging: perplexity over long-range positions "
            "only, in the way of LongPPL, costs accuracy too.",
            "discussion of Fang et al. 2025",
            "regret of long-range perplexity over parity checkpoints",
            POSITIVE,
            PROTOCOL,
            partial(measurements.regret, "long_range_nats", "out of distribution"),
        ),
        Claim(
            "C12c",
            "The paper proposes no metric in place of perplexity.",
            "whole paper",
            "none",
            NONE,
            PROTOCOL,
            partial(readings.untested, "a statement about the paper, not about models"),
        ),
    ]


def main(
    scores: str,
    published_csv: str,
    path: str,
    models: dict[str, Any],
    parity_longest: int,
    provenance: dict[str, Any],
) -> None:
    claims.write(
        path,
        all_claims(published_csv, parity_longest),
        tables.read(scores, SCORES),
        claims.evidence_of(models, "perplexity"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.published,
            snakemake.output.claims,
            snakemake.params.models,
            snakemake.params.parity_longest,
            provenance=provenance.of(snakemake),
        )
