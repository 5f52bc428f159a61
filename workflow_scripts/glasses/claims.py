"""The sixteen claims of the paper: what our scores say about each.

Random decoders follow the paper's own synthetic protocol; they represent no particular model.
Language models decide a claim about Gemini or Gemma only where they are that model.
"""

import pandas as pd

from workflow_scripts.glasses import claims_experiments, claims_theory
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import Claim, Published


def all_claims(thresholds: str) -> list[Claim]:
    """All claims in order, with the published numbers from the CSV file `thresholds`."""
    table = pd.read_csv(thresholds, dtype=str).set_index("finding")

    def published(finding: str) -> Published:
        value, tag, source = (str(table[key][finding]) for key in ("value", "confidence", "source"))
        return Published(value if "-" in value else float(value), tag, source)

    return [*claims_theory.claims(published), *claims_experiments.claims(published)]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
