"""The sixteen claims of the paper and one of ours: what our scores say about each.

Random decoders follow the paper's own synthetic protocol where the label says so; they represent no
particular model. Language models decide a claim about Gemini or Gemma only where they are that
model and were asked as in the paper.
"""

from typing import Any

from workflow_scripts.glasses import claims_budget, claims_experiments, claims_theory
from workflow_scripts.glasses.measurements import Asked, Protocols
from workflow_scripts.glasses.metrics import NOISE, PREFIX
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import Claim
from workflow_scripts.shared.protocol import Protocol, Setting, evidence

# What each figure shows, by the ids of claims.
FIGURES = {
    "schematic": ("G5d", "G6"),
    "encodings": ("G3b", "G3c", "G3d", "G13a", "G13b"),
    "variation": ("G2", "G7a", "G7b"),
    "precision": ("G8", "G13c"),
    "equal": ("G8", "G11c", "G13c"),
    "cures": ("G12", "G15a", "G15b"),
    "budget": ("G17a", "G17b"),
    "gaps": ("G11a", "G11b", "G11d"),
    "layers": ("G11a", "G11d"),
    "copying": ("G9a", "G9b", "G9c", "G9d", "G9e", "G14a", "G14b"),
    "counting": ("G10a", "G10c"),
    "signed": ("G10a", "G10c"),
    "histograms": ("G10b",),
    "sensitivity": ("G5a", "G5b", "G5c", "G16a", "G16c"),
}


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


def questions(numbers: Numbers, asked: dict[str, Any], wordings: dict[str, str]) -> Asked:
    """Whether each model was asked as in the paper: in our version of its wording, at its lengths.

    `asked` has the lengths of the study's settings `tasks` and `gaps`, `wordings` the wording of
    each model. Accuracies and errors are means over lengths, so other lengths change them; gaps are
    read length by length.
    """

    def protocols(name: str, run: list[int], published: list[int]) -> dict[str, Protocol]:
        lengths = Setting(f"{name} lengths", sorted(run), published)
        return {
            model: evidence(Setting("wording", wording, "paper"), lengths)
            for model, wording in wordings.items()
        }

    panel = numbers.lengths("5a")
    shared = [length for length in panel if length in asked["gap_lengths"]]
    return Asked(
        copying=protocols("copy", asked["copy_lengths"], numbers.copied("2a")),
        counting=protocols("count", asked["count_lengths"], numbers.counted()),
        order=protocols("order", asked["order_lengths"], numbers.copied("11")),
        gaps=protocols("gap", shared, panel),
    )


def all_claims(
    thresholds: str,
    copies: str,
    errors: str,
    gaps: str,
    stack: dict[str, Any],
    variation: dict[str, Any],
    asked: dict[str, Any],
    wordings: dict[str, str],
) -> list[Claim]:
    """All claims in order, with the published numbers from the CSV files.

    `stack`, `variation` and `asked` are settings of the study, `wordings` the wording of each
    model: they decide whether a run followed the paper's protocol, and whether a paper's model was
    asked as in the paper.
    """
    numbers = Numbers.read(thresholds, copies, errors, gaps)
    followed = protocols(numbers, stack, variation)
    return [
        *claims_theory.claims(numbers, followed),
        *claims_experiments.claims(numbers, followed, questions(numbers, asked, wordings)),
        *claims_budget.claims(),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
