"""The sixteen claims of the paper: what our scores say about each.

Random decoders follow the paper's own synthetic protocol where the label says so; they represent no
particular model. Language models decide a claim about Gemini or Gemma only where they are that
model.
"""

from typing import Any

from workflow_scripts.glasses import claims_experiments, claims_theory
from workflow_scripts.glasses.measurements import Protocols
from workflow_scripts.glasses.metrics import NOISE, PREFIX
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import Claim
from workflow_scripts.shared.protocol import Setting, evidence


def protocols(numbers: Numbers, stack: dict[str, Any], variation: dict[str, Any]) -> Protocols:
    """Whether figures 8, 9 and 10 were run as published, with every length.

    The numbers of seeds of figures 8 and 10 are not known.
    """

    def lengths(figure: str, ran: list[int]) -> Setting:
        """The lengths of a figure; longer ones and others between do not change these."""
        published = numbers.lengths(figure)
        return Setting("lengths", [n for n in published if n in ran], published, source=figure)

    width = Setting("width", stack["width"], 64, source="appendix C")
    return Protocols(
        figure_8=evidence(width, lengths("8", stack["independent"])),
        figure_9=evidence(
            Setting("seeds", variation["seeds"], 5, "at least", "appendix C"),
            Setting("perturbed entries", PREFIX, 200, source="appendix C"),
            Setting("noise", NOISE, 0.1, source="appendix C"),
            lengths("9", variation["sizes"]),
        ),
        figure_10=evidence(width, lengths("10", stack["independent"])),
    )


def all_claims(
    thresholds: str,
    copies: str,
    errors: str,
    gaps: str,
    stack: dict[str, Any],
    variation: dict[str, Any],
) -> list[Claim]:
    """All claims in order, with the published numbers from the CSV files.

    `stack` and `variation` are these settings of the study: they decide whether a run followed the
    paper's protocol.
    """
    numbers = Numbers.read(thresholds, copies, errors, gaps)
    followed = protocols(numbers, stack, variation)
    return [
        *claims_theory.claims(numbers, followed),
        *claims_experiments.claims(numbers, followed),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
