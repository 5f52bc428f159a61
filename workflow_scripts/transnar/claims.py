"""The claims of TransNAR, of the reasoner beneath it, and of attention's temperature in both.

Our decoders are far smaller than the paper's 70 million weights and, by default, learn one
algorithm: they decide that a frozen reasoner can help a decoder, and whether its content does,
never by how much the paper's models gain.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.shared import claims, job, provenance, readings, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.transnar import contrasts, published
from workflow_scripts.transnar import measurements as m

ANY = frozenset({Evidence.STAND_IN, Evidence.PROTOCOL})
PROTOCOL = frozenset({Evidence.PROTOCOL})
POSITIVE, NEGATIVE = Region(low=m.EDGE), Region(high=-m.EDGE)
PAPER_WIDTH = 512  # of decoders of tens of millions of weights
UNHELPED = ("binary_search", "find_maximum_subarray_kadane", "minimum", "quickselect")
NEAR_ZERO = ("graham_scan", "jarvis_march", "mst_prim")


def all_claims(table_2_csv: str | Path, algorithms: Sequence[str], width: int) -> list[Claim]:
    """The claims, for a run with these algorithms and decoders of this width."""
    paper_like = width >= PAPER_WIDTH and set(algorithms) == set(ALGORITHMS)
    overall = published.overall(table_2_csv)
    section_4 = "section 4.1"
    gain = partial(m.gain, paper_like)
    change = partial(m.reading_change, paper_like)
    return [
        Claim(
            "N1a",
            "Beside a frozen reasoner a decoder answers better at sizes that it was not trained "
            "on than one of text alone, of equal size and training.",
            "abstract, figure 1",
            "CLRS score, hybrid less text",
            POSITIVE,
            ANY,
            partial(gain, "clrs_score", "text"),
        ),
        Claim(
            "N1b",
            "The gain is above 20 points in several families of algorithms (read as: at least 3).",
            "figure 1, caption",
            "families whose gain is above 0.2, shorter unseen size",
            Region(low=3.0),
            PROTOCOL,
            partial(m.families, paper_like),
            Published("over 20 percentage points", "published", "figure 1, caption"),
        ),
        Claim(
            "N2",
            "On most of the 30 algorithms the hybrid is better at each size.",
            f"{section_4}, figure 4",
            "share of algorithms with a gain",
            Region(low=0.5),
            PROTOCOL,
            partial(m.better, paper_like),
        ),
        Claim(
            "N3",
            "The gain is there with a pretrained decoder as with a fresh one.",
            "figure 4, caption",
            "CLRS score, hybrid less text, pretrained",
            POSITIVE,
            PROTOCOL,
            partial(
                readings.untested,
                "needs a decoder pretrained on MassiveText, which is not public; ours start fresh",
            ),
        ),
        Claim(
            "N4",
            "In distribution the gap between the two is smaller than beyond it.",
            "figure 4, caption",
            "loss of the text model from the trained to the longer size, less the hybrid's",
            POSITIVE,
            PROTOCOL,
            partial(m.loss, paper_like),
        ),
        Claim(
            "N5",
            "Where text alone is near zero the hybrid can be clearly above it.",
            "section 6",
            "CLRS score, hybrid less text, on Graham scan, Jarvis' march, MST-Prim",
            POSITIVE,
            PROTOCOL,
            m.on(NEAR_ZERO, algorithms, partial(m.gains_of, paper_like, NEAR_ZERO)),
        ),
        Claim(
            "N6",
            "Much of the gain is shape: more answers have the right one at unseen sizes.",
            "figure 5",
            "shape score, hybrid less text",
            POSITIVE,
            PROTOCOL,
            partial(gain, "shape_score", "text"),
        ),
        Claim(
            "N7",
            "On binary search, maximum subarray, minimum and quickselect the hybrid is not better.",
            section_4,
            "CLRS score, hybrid less text",
            Region(high=0.0),
            PROTOCOL,
            m.on(UNHELPED, algorithms, partial(m.gains_of, paper_like, UNHELPED)),
        ),
        Claim(
            "N8",
            "Nearly all answers parse.",
            "figure 6",
            "parse score of the hybrid",
            Region(low=0.95),
            PROTOCOL,
            partial(m.parse, paper_like),
        ),
        Claim(
            "N9a",
            "Randomised positions help both models at unseen sizes.",
            "section 6",
            "CLRS score, randomised less plain positions",
            POSITIVE,
            PROTOCOL,
            partial(m.apart, paper_like, contrasts.RANDOMISED),
        ),
        Claim(
            "N9b",
            "Without randomised positions text alone caps the hybrid at unseen sizes.",
            "section 6",
            "CLRS score, hybrid less text, both with plain positions",
            Region(high=0.0),
            PROTOCOL,
            partial(m.apart, paper_like, contrasts.NOT_RANDOMISED),
        ),
        Claim(
            "N10",
            "Setting both attentions side by side is as good a merge as any tried.",
            "section 4",
            "CLRS score, other merges less concatenation",
            Region(high=0.0),
            PROTOCOL,
            partial(m.apart, paper_like, contrasts.OTHER_MERGES, roles=m.ROLES),
        ),
        Claim(
            "X1",
            "What the reasoner says is used: with another graph's embeddings answers get worse "
            "(our control).",
            "control, not in the paper",
            "CLRS score, shape given, shuffled less plain",
            NEGATIVE,
            ANY,
            partial(change, "shuffled"),
        ),
        Claim(
            "X2",
            "The reasoner's training is used: beside an untaught one a decoder is worse "
            "(our control).",
            "control, not in the paper",
            "CLRS score, hybrid less the arm with an untaught reasoner",
            POSITIVE,
            ANY,
            partial(gain, "clrs_score", "untrained", roles=m.ROLES),
        ),
        Claim(
            "X3",
            "Trained decoders need the embeddings of edges, too (our ablation).",
            "ablation, not in the paper",
            "CLRS score, shape given, nodes alone less both",
            NEGATIVE,
            ANY,
            partial(change, "nodes_only"),
        ),
        Claim(
            "X4",
            "Adaptive temperature at inference alone helps answers at unseen sizes.",
            "2410.01104, CLRS-Text",
            "CLRS score, adaptive less plain reading, text model",
            POSITIVE,
            PROTOCOL,
            partial(change, "adaptive", arm="text", form="free", roles=m.BEYOND),
            Published("better on the vast majority", "published-2nd", "secondary notes"),
        ),
        Claim(
            "X5",
            "Adaptive temperature in training helps answers at unseen sizes.",
            "2410.01104, CLRS-Text",
            "CLRS score, text trained so less text",
            POSITIVE,
            PROTOCOL,
            partial(gain, "clrs_score", "text", arm="text_adaptive"),
            Published("better on the vast majority", "published-2nd", "secondary notes"),
        ),
        Claim(
            "R1",
            "Triplet-GMPNN, taught one algorithm on up to 16 nodes, scores as published at 64 "
            "(read as: within 5 points or above).",
            "Ibarz et al. 2022, table 2",
            "score less the published one",
            Region(low=-0.05),
            PROTOCOL,
            m.reasoners,
            Published(overall, "published", "Ibarz et al. 2022, table 2: mean of 30, %"),
        ),
    ]


def main(
    scores: str,
    table_2_csv: str,
    path: str,
    algorithms: list[str],
    width: int,
    provenance: dict[str, Any],
) -> None:
    claims.write(
        path,
        all_claims(table_2_csv, algorithms, width),
        tables.read(scores, SCORES),
        claims.evidence_of({}, "transnar"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.published,
            snakemake.output.claims,
            snakemake.params.algorithms,
            snakemake.params.width,
            provenance=provenance.of(snakemake),
        )
