"""The claims of TransNAR, of the reasoner that it uses, and of adaptive temperature in decoders.

Our decoders are far smaller than the paper's 70 million weights and, by default, learn one
algorithm. They can decide that a frozen reasoner helps a decoder and whether its content matters,
but not how much the paper's models gain.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    PROTOCOL,
    STAND_IN_OR_PROTOCOL,
    Claim,
    Evidence,
    Published,
    Region,
)
from workflow_scripts.shared.measurements import untested
from workflow_scripts.transnar import contrasts
from workflow_scripts.transnar import measurements as m
from workflow_scripts.transnar.published import mean_pct

NOT_ABOVE = Region(high=0.0)
PAPER_WIDTH = 512  # of decoders with tens of millions of weights
UNHELPED = ("binary_search", "find_maximum_subarray_kadane", "minimum", "quickselect")
NEAR_ZERO = ("graham_scan", "jarvis_march", "mst_prim")


def all_claims(published: str | Path, algorithms: Sequence[str], width: int) -> list[Claim]:
    """The claims, for a run with these algorithms and decoders of this width.

    `published` is table 2 of Ibarz et al. (2022).
    """
    paper_like = width >= PAPER_WIDTH and set(algorithms) == set(ALGORITHMS)
    kind = Evidence.PROTOCOL if paper_like else Evidence.STAND_IN
    gain, gains_of = partial(m.gain, kind), partial(m.gains_of, kind)
    change = partial(m.inference_change, kind)
    claim = partial(Claim, region=claims.POSITIVE, decided_by=PROTOCOL)
    overall = mean_pct(published)["overall"]
    better = Published("better on the vast majority", "published-2nd", "secondary notes")
    return [
        claim(
            id="N1a",
            statement="With a frozen reasoner a decoder answers better at sizes that it was not "
            "trained on than a decoder of text alone of equal size and training.",
            source="abstract, figure 1",
            quantity="CLRS score, hybrid minus text",
            decided_by=STAND_IN_OR_PROTOCOL,
            test=partial(gain, "clrs_score", contrasts.HYBRID),
        ),
        claim(
            id="N1b",
            statement="The gain is above 20 points in several families of algorithms (interpreted "
            "as at least 3).",
            source="figure 1, caption",
            quantity="families whose gain is above 0.2, shorter unseen size",
            region=Region(low=3.0),
            test=partial(m.families, kind),
            published=Published("over 20 percentage points", "published", "figure 1, caption"),
        ),
        claim(
            id="N2",
            statement="On most of the 30 algorithms the hybrid is better at each size.",
            source="section 4.1, figure 4",
            quantity="share of algorithms with a gain",
            region=claims.MOST,
            test=partial(m.better, kind),
        ),
        claim(
            id="N3",
            statement="A pretrained decoder gains as one trained from scratch does.",
            source="figure 4, caption",
            quantity="CLRS score, hybrid minus text, pretrained",
            test=partial(untested, "needs pretraining on MassiveText, which is not public"),
        ),
        claim(
            id="N4",
            statement="The gap between the two is smaller in distribution than out of it.",
            source="figure 4, caption",
            quantity="CLRS score lost from the trained to the longer size, text minus hybrid",
            test=partial(m.loss, kind),
        ),
        claim(
            id="N5",
            statement="Where text alone is near zero the hybrid can be clearly above it.",
            source="section 6",
            quantity="CLRS score, hybrid minus text, on Graham scan, Jarvis' march, MST-Prim",
            test=partial(gains_of, NEAR_ZERO, algorithms),
        ),
        claim(
            id="N6",
            statement="Much of the gain is shape: at unseen sizes more answers have the right one.",
            source="figure 5",
            quantity="shape score, hybrid minus text",
            test=partial(gain, "shape_score", contrasts.HYBRID),
        ),
        claim(
            id="N7",
            statement="On binary search, maximum subarray, minimum and quickselect the hybrid is "
            "not better.",
            source="section 4.1",
            quantity="CLRS score, hybrid minus text",
            region=NOT_ABOVE,
            test=partial(gains_of, UNHELPED, algorithms),
        ),
        claim(
            id="N8",
            statement="Nearly all answers parse.",
            source="figure 6",
            quantity="parse score of the hybrid",
            region=Region(low=0.95),
            test=partial(m.parse, kind),
        ),
        claim(
            id="N9a",
            statement="Randomised positions help both models at unseen sizes.",
            source="section 6",
            quantity="CLRS score, randomised minus plain positions",
            test=partial(gain, "clrs_score", contrasts.RANDOMISED),
        ),
        claim(
            id="N9b",
            statement="Without randomised positions text alone caps the hybrid at unseen sizes.",
            source="section 6",
            quantity="CLRS score, hybrid minus text, both with plain positions",
            region=NOT_ABOVE,
            test=partial(gain, "clrs_score", contrasts.NOT_RANDOMISED),
        ),
        claim(
            id="N10",
            statement="Concatenating both attentions is as good a merge as any that was tried.",
            source="section 4",
            quantity="CLRS score, other merges minus concatenation",
            region=NOT_ABOVE,
            test=partial(gain, "clrs_score", contrasts.OTHER_MERGES, roles=m.ROLES),
        ),
        claim(
            id="X1",
            statement="The content of the reasoner's embeddings is used: with another graph's "
            "embeddings answers get worse (our control).",
            source="control, not in the paper",
            quantity="CLRS score, shape given, shuffled minus plain",
            region=claims.NEGATIVE,
            decided_by=STAND_IN_OR_PROTOCOL,
            test=partial(change, "shuffled"),
        ),
        claim(
            id="X2",
            statement="The reasoner's training is used: with an untrained reasoner a decoder is "
            "worse (our control).",
            source="control, not in the paper",
            quantity="CLRS score, hybrid minus the arm with an untrained reasoner",
            decided_by=STAND_IN_OR_PROTOCOL,
            test=partial(gain, "clrs_score", contrasts.REASONER_TRAINED, roles=m.ROLES),
        ),
        claim(
            id="X3",
            statement="Trained decoders also need the embeddings of edges (our ablation).",
            source="ablation, not in the paper",
            quantity="CLRS score, shape given, nodes only minus both",
            region=claims.NEGATIVE,
            decided_by=STAND_IN_OR_PROTOCOL,
            test=partial(change, "nodes_only"),
        ),
        claim(
            id="X4",
            statement="Adaptive temperature at inference only improves answers at unseen sizes.",
            source="2410.01104, CLRS-Text",
            quantity="CLRS score, adaptive minus plain inference, text model",
            test=partial(change, "adaptive", arm="text", form="free", roles=m.BEYOND),
            published=better,
        ),
        claim(
            id="X5",
            statement="Adaptive temperature in training improves answers at unseen sizes.",
            source="2410.01104, CLRS-Text",
            quantity="CLRS score, text trained with adaptive temperature minus text",
            test=partial(gain, "clrs_score", contrasts.ADAPTIVE),
            published=better,
        ),
        claim(
            id="R1",
            statement="Triplet-GMPNN, trained on one algorithm at up to 16 nodes, scores as "
            "published at 64 (interpreted as within 5 points or above).",
            source="Ibarz et al. 2022, table 2",
            quantity="score minus the published one",
            region=Region(low=-0.05),
            test=m.reasoners,
            published=Published(overall, "published", "Ibarz et al. 2022, table 2: mean of 30, %"),
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
