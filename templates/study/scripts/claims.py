"""The claims of the paper, and what our scores say about each."""

from workflow_scripts.example_study import measurements
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import THEORY, Claim, around

FIGURES = {"spread": ("X1",)}  # what each figure shows, by the ids of claims


def all_claims() -> list[Claim]:
    """The claims. Published numbers come from CSV files, as inputs of the rule of the same name."""
    return [
        Claim(
            id="X1",
            statement="The spread of a mean falls as the square root of the number of draws.",
            source="section 0 (a worked example; replace it)",
            quantity="log-log slope of the spread against the number of draws",
            region=around(-0.5, 0.1),
            decided_by=THEORY,
            test=measurements.slope,
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
