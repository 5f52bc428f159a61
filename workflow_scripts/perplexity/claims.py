"""The twelve claims of the paper and what our scores say about each.

Claims about the copier and the parity models are tested with the paper's protocol as far as it is
known; claims about Gemma 3 4B can be decided by that model only.
"""

from functools import partial

from workflow_scripts.perplexity import measurements
from workflow_scripts.perplexity.claims_theory import protocol, section_3, section_4
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    MOST,
    NEGATIVE,
    NONE,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    Claim,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested

OUT = "out of distribution"


def all_claims(published: str, parity_longest: int) -> list[Claim]:
    """The claims; `published` is the file of the published correlations."""
    known = measurements.published_correlations(published)
    return [*section_3(), *figure_2(), *section_4(), *parity(known, parity_longest)]


def figure_2() -> list[Claim]:
    """C7 on small copiers; models other than Gemma 3 4B are measured and decide nothing."""
    source = "figure 2"
    claim = partial(Claim, source=source, decided_by=PROTOCOL | PAPER_MODEL)
    return [
        claim(
            id="C7a",
            statement="The output distributions on alpha and beta approach each other with n.",
            quantity="log-log slope of their largest difference against n",
            region=NEGATIVE,
            test=partial(measurements.copiers_and_models, "slope_gap"),
            published=Published("shrinks", "published", source),
        ),
        claim(
            id="C7b",
            statement="The probability of continuing alpha stays high at most sizes.",
            quantity="share of sizes with more than 1/2 on every bit",
            region=MOST,
            test=measurements.stays_high,
            published=Published("high for most sizes", "published", source),
        ),
        claim(
            id="C7c",
            statement="The probability of writing beta's flipped bit collapses.",
            quantity="that probability at the largest size",
            region=Region(high=0.5),
            test=partial(measurements.copiers_and_models, "beta_flip"),
            published=Published("collapses", "published", source),
        ),
        claim(
            id="C7d",
            statement="The log-perplexities of alpha and beta approach each other.",
            quantity="log-log slope of their difference against n",
            region=NEGATIVE,
            test=partial(measurements.copiers_and_models, "slope_nats_apart"),
            published=Published("approach each other", "published", source),
        ),
    ]


def parity(known: dict[str, tuple[float, str]], longest: int) -> list[Claim]:
    """C11 and C12 on parity checkpoints trained on strings of up to `longest` bits."""
    source = "section 4.5, figure 4"
    near, far = (Published(*known[f"{split}-distribution"], source) for split in ("in", "out-of"))
    every_bit = "Pearson r, target after every bit"
    claim = partial(protocol, source=source)
    return [
        claim(
            id="C11a",
            statement="Over parity checkpoints, log-perplexity and micro-F1 correlate negatively "
            "in distribution.",
            quantity=every_bit,
            region=NEGATIVE,
            test=partial(measurements.correlation, "prefix", longest),
            published=near,
        ),
        claim(
            id="C11b",
            statement="Out of distribution, at size 128, they correlate positively.",
            quantity=every_bit,
            region=POSITIVE,
            test=partial(measurements.correlation, "prefix", None),
            published=far,
        ),
        claim(
            id="C11c",
            statement="They also correlate positively there with the target after the last bit.",
            quantity="Pearson r, target after the last bit",
            region=POSITIVE,
            test=partial(measurements.correlation, "final", None),
            published=far,
        ),
        claim(
            id="C11d",
            statement="The best checkpoint out of distribution has one of the worst perplexities "
            "there (we ask for the worst quarter).",
            quantity="share of checkpoints with a lower log-perplexity",
            region=Region(low=0.75),
            test=partial(measurements.best_rank, "nats"),
            published=Published("one of the worst", "published", source),
        ),
        claim(
            id="C11e",
            statement="It has one of the lowest entropies there (we ask for the lowest quarter).",
            quantity="share of checkpoints with a lower entropy",
            region=Region(high=0.25),
            test=partial(measurements.best_rank, "entropy_nats"),
            published=Published("one of the lowest", "published", source),
        ),
        protocol(
            id="C12a",
            statement="Choosing by perplexity out of distribution costs accuracy there.",
            source="section 4.5, as a decision",
            quantity="regret of perplexity over parity checkpoints",
            region=POSITIVE,
            test=partial(measurements.regret, "nats", OUT),
        ),
        protocol(
            id="C12b",
            statement="The logarithm itself misleads, beyond averaging: perplexity over "
            "long-range positions only, as in LongPPL, costs accuracy too.",
            source="discussion of Fang et al. 2025",
            quantity="regret of long-range perplexity over parity checkpoints",
            region=POSITIVE,
            test=partial(measurements.regret, "long_range_nats", OUT),
        ),
        protocol(
            id="C12c",
            statement="The paper proposes no metric in place of perplexity.",
            source="whole paper",
            quantity="none",
            region=NONE,
            test=partial(untested, "a statement about the paper, not about models"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
