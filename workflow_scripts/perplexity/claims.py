"""The twelve claims of the paper and one of ours: what our scores say about each.

Nearly nothing is known of the paper's copier, so any copier that copies decides what the theory
says of all of them. The published correlations need the paper's 5,000 steps; the claims about
Gemma 3 4B need that model, or a copier.
"""

from functools import partial
from typing import Any, NamedTuple

from workflow_scripts.perplexity import claims_blind, measurements
from workflow_scripts.perplexity.claims_theory import section_3, section_4
from workflow_scripts.shared import claims, protocol
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    MOST,
    NEGATIVE,
    NONE,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    Claim,
    Kind,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested
from workflow_scripts.shared.protocol import Protocol, Setting

OUT = "out of distribution"
# A limit at most this large counts as 0: a probability for the outputs, nats for log-perplexity.
CLOSE = 0.01

# What each figure shows, by the ids of claims.
FIGURES = {
    "copying": ("C1d", "C2b", "C3b", "C7a", "C7b", "C7c", "C7d"),
    "sketch": ("C2b", "C7b", "C7d"),
    "theory": ("C1d", "C6a", "C6b"),
    "isoperplexity": ("C9a", "C9b", "C9c", "C9d", "C10a", "C10b"),
    "parity": ("C11a", "C11b", "C11c", "C11d", "C11e"),
    "correlation": ("C11a", "C11b", "C11c"),
    "selection": ("C12a", "C12b"),
    "blind_spots": ("C13a", "C13b", "C13c", "C13d", "C13e"),
}


class Protocols(NamedTuple):
    """What the copiers (E1) and the parity models (E4) followed of the paper's protocol."""

    copiers: Protocol
    parity: Protocol


def protocols(copying_longest: int, parity: dict[str, Any]) -> Protocols:
    """Compare the settings of the paper that are known with those of the run.

    `copying_longest` is the longest training string of the copiers in bits; `parity` holds config's
    longest, steps, keep_every and sizes. Of the copiers nothing else is known, not even the steps:
    a copier that does not copy is set aside by `measurements.no_copiers` instead.
    """
    return Protocols(
        protocol.evidence(Setting("longest", copying_longest, 16, source="section 3.4")),
        protocol.evidence(
            Setting("longest", parity["longest"], 16, source="section 4.5"),
            Setting("steps", parity["steps"], 5000, source="section 4.5"),
            Setting("steps per checkpoint", parity["keep_every"], 100, source="section 4.5"),
            Setting("largest test size", max(parity["sizes"]), 128, source="section 4.5"),
        ),
    )


def all_claims(published: str, copying_longest: int, parity: dict[str, Any]) -> list[Claim]:
    """The claims; `published` is the file of the published correlations.

    `copying_longest` and `parity` are settings of the run, as in `protocols`.
    """
    known = measurements.published_correlations(published)
    runs = protocols(copying_longest, parity)
    return [
        *section_3(runs.copiers),
        *figure_2(runs.copiers),
        *section_4(),
        *parity_claims(known, parity["longest"], runs.parity),
        *claims_blind.claims(),
    ]


def figure_2(run: Protocol) -> list[Claim]:
    """C7 on small copiers; models other than Gemma 3 4B are measured and decide nothing."""
    source = "figure 2"
    claim = partial(
        Claim,
        source=source,
        decided_by=ANY_PROTOCOL | PAPER_MODEL,
        models=("Gemma 3 4B",),
    )
    fitted = "limit of a + b n^-c over sizes above the trained ones"
    return [
        claim(
            id="C7a",
            statement="The output distributions on alpha and beta become arbitrarily close with n.",
            quantity=f"limit at large n of their largest difference ({CLOSE} or less counts as 0)",
            region=Region(high=CLOSE),
            test=partial(measurements.over_sizes, "limit_gap", fitted, run),
            published=Published("shrinks", "published", source),
        ),
        claim(
            id="C7b",
            statement="The probability of continuing alpha stays high at most sizes.",
            quantity="median over sizes of the smallest probability of any bit",
            region=MOST,
            test=partial(
                measurements.over_sizes,
                "median_alpha_least",
                "median over sizes of the smallest probability of any bit",
                run,
            ),
            published=Published("high for most sizes", "published", source),
        ),
        claim(
            id="C7c",
            statement="The probability of writing beta's flipped bit collapses.",
            quantity="median of that probability over sizes above the trained ones",
            region=Region(high=0.5),
            test=partial(
                measurements.over_sizes,
                "median_beta_flip",
                "median over sizes above the trained ones",
                run,
            ),
            published=Published("collapses", "published", source),
        ),
        claim(
            id="C7d",
            statement="The log-perplexities of alpha and beta become arbitrarily close.",
            quantity=f"limit at large n of their difference, nats ({CLOSE} or less counts as 0)",
            region=Region(high=CLOSE),
            test=partial(measurements.over_sizes, "limit_nats_apart", fitted, run),
            published=Published("approach each other", "published", source),
        ),
    ]


def parity_claims(known: dict[str, tuple[float, str]], longest: int, run: Protocol) -> list[Claim]:
    """C11 and C12 on parity checkpoints trained on strings of up to `longest` bits."""
    source = "section 4.5, figure 4"
    near, far = (Published(*known[f"{split}-distribution"], source) for split in ("in", "out-of"))
    beyond = "target after every bit beyond the trained length"
    claim = partial(Claim, decided_by=PROTOCOL, source=source)
    decision = partial(Claim, decided_by=ANY_PROTOCOL, kind=Kind.EXTENSION, region=POSITIVE)
    return [
        claim(
            id="C11a",
            statement="Over parity checkpoints, log-perplexity and micro-F1 correlate negatively "
            "in distribution.",
            quantity="Pearson r, target after every bit",
            region=NEGATIVE,
            test=partial(measurements.correlation, "prefix", longest, run),
            published=near,
        ),
        claim(
            id="C11b",
            statement="Out of distribution, at size 128, they correlate positively.",
            quantity=f"Pearson r, {beyond}",
            region=POSITIVE,
            test=partial(measurements.correlation, "prefix", None, run),
            published=far,
        ),
        claim(
            id="C11c",
            statement="They also correlate positively there with the target after the last bit.",
            quantity="Pearson r, target after the last bit",
            region=POSITIVE,
            test=partial(measurements.correlation, "final", None, run),
            published=far,
        ),
        claim(
            id="C11d",
            statement="The best checkpoint out of distribution has one of the worst perplexities "
            "there (we ask for the worst quarter).",
            quantity=f"share of checkpoints with a lower log-perplexity, {beyond}",
            region=Region(low=0.75),
            test=partial(measurements.best_rank, "nats", run),
            published=Published("one of the worst", "published", source),
        ),
        claim(
            id="C11e",
            statement="It has one of the lowest entropies there (we ask for the lowest quarter).",
            quantity=f"share of checkpoints with a lower entropy, {beyond}",
            region=Region(high=0.25),
            test=partial(measurements.best_rank, "entropy_nats", run),
            published=Published("one of the lowest", "published", source),
        ),
        decision(
            id="C12a",
            statement="Choosing by perplexity out of distribution loses more accuracy there than "
            "choosing at random.",
            source="section 4.5, as a decision",
            quantity=f"regret of perplexity minus that of a random choice, {beyond}",
            test=partial(measurements.worse_than_random, "nats", OUT, run),
        ),
        decision(
            id="C12b",
            statement="The logarithm itself misleads, beyond averaging: so does perplexity over "
            "long-range positions only, as in LongPPL.",
            source="discussion of Fang et al. 2025",
            quantity=f"regret of long-range perplexity minus that of a random choice, {beyond}",
            test=partial(measurements.worse_than_random, "long_range_nats", OUT, run),
        ),
        claim(
            id="C12c",
            statement="The paper proposes no metric in place of perplexity.",
            source="whole paper",
            quantity="none",
            region=NONE,
            test=partial(untested, "a statement about the paper, not about models"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
