"""The claims of TransNAR, with controls and extensions of ours.

A claim on what the paper's models reach needs the paper's protocol. That a frozen reasoner helps a
decoder, and whether its content matters, can be seen at any size. `X5` is the reading of
2410.01104's claim on CLRS-Text that the study `softmax` refers to as S8; its id does not change.
"""

from functools import partial
from pathlib import Path
from typing import Any

from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    PROTOCOL,
    Claim,
    Kind,
    Published,
    Region,
)
from workflow_scripts.transnar import contrasts, protocols
from workflow_scripts.transnar import measurements as m
from workflow_scripts.transnar.published import MULTI_TASK, SINGLE_TASK, mean_pct

MARGIN = 0.05  # our reading of "not better": by no more than this
NOT_ABOVE = Region(high=MARGIN)
CHINCHILLA = "Chinchilla 70M"  # pretrained on MassiveText; neither is public
UNHELPED = ("binary_search", "find_maximum_subarray_kadane", "minimum", "quickselect")
NEAR_ZERO = ("graham_scan", "jarvis_march", "mst_prim")

# What each figure shows, by the ids of claims.
FIGURES = {
    "scores": ("N1a", "N2", "N3", "N4a", "N4b", "N5", "N6", "N7", "N8a", "N8b", "N9a", "N9b"),
    "families": ("N1b",),
    "ablations": ("N10", "X1", "X2", "X3", "X4", "X5"),
    "reasoners": ("R1", "R2"),
}


def all_claims(
    single_task: str | Path, multi_task: str | Path, settings: dict[str, Any]
) -> list[Claim]:
    """The claims for a run with these settings (`protocols.decoders` lists them).

    `single_task` and `multi_task` are table 2 and figure 3, digitised, of Ibarz et al. (2022).
    """
    run = protocols.decoders(settings)
    known = settings["algorithms"]
    gain, gains_of = partial(m.gain, run), partial(m.gains_of, run)
    change = partial(m.inference_change, run)
    reasoners = partial(m.reasoners, partial(protocols.reasoner, settings))
    claim = partial(Claim, region=claims.POSITIVE, decided_by=PROTOCOL)
    ours = partial(Claim, region=claims.POSITIVE, decided_by=ANY_PROTOCOL)
    control, extension = partial(ours, kind=Kind.CONTROL), partial(ours, kind=Kind.EXTENSION)
    return [
        claim(
            id="N1a",
            statement="With a frozen reasoner a decoder answers better at sizes that it was not "
            "trained on than a decoder of text alone of equal size and training.",
            source="abstract, figure 1",
            quantity="CLRS score, hybrid minus text",
            decided_by=ANY_PROTOCOL,
            test=partial(gain, "clrs_score", contrasts.HYBRID),
        ),
        claim(
            id="N1b",
            statement="The gain is above 20 points in several families of algorithms (our reading: "
            "in at least 3, at the shorter untrained size).",
            source="figure 1, caption",
            quantity="CLRS score, hybrid minus text, third largest of the families",
            region=Region(low=0.2),
            test=partial(m.several_families, run),
            published=Published("over 20 percentage points", "published", "figure 1, caption"),
        ),
        claim(
            id="N2",
            statement="On most of the 30 algorithms the hybrid is better at each size.",
            source="section 4.1, figure 4",
            quantity="CLRS score, hybrid minus text: gain that most algorithms reach",
            test=partial(m.better, run),
        ),
        claim(
            id="N3",
            statement="A pretrained decoder gains as one trained from scratch does.",
            source="figure 4, caption",
            quantity="CLRS score, hybrid minus text, pretrained",
            decided_by=claims.PAPER_MODEL,
            models=(CHINCHILLA,),
            test=partial(m.pretrained_gain, protocols.pretrained(settings)),
        ),
        claim(
            id="N4a",
            statement="The gap between the two is smaller in distribution than at either other "
            "size.",
            source="figure 4, caption",
            quantity="gain in CLRS score at an untrained size, minus the gain at the trained size",
            test=partial(m.gain_by_size, run),
        ),
        claim(
            id="N4b",
            statement="In distribution most scores are above 0.7.",
            source="figure 4, caption",
            quantity="CLRS score that most algorithms reach at the trained size",
            region=Region(low=0.7),
            test=partial(m.level_inside, run),
            published=Published("axis from 0.7 to 1.0", "published", "figure 4, caption"),
        ),
        claim(
            id="N5",
            statement="Where text alone is near zero the hybrid can be clearly above it: on Graham "
            "scan, Jarvis' march and MST-Prim (our reading: text below 0.1, hybrid above 0.3).",
            source="section 6",
            quantity="the smaller of 0.1 minus the text score and the hybrid score minus 0.3",
            test=partial(m.where_text_fails, run, NEAR_ZERO, known),
        ),
        claim(
            id="N6",
            statement="At untrained sizes more of the hybrid's answers have the right shape.",
            source="figure 5",
            quantity="shape score, hybrid minus text",
            test=partial(gain, "shape_score", contrasts.HYBRID),
        ),
        claim(
            id="N7",
            statement="On binary search, maximum subarray, minimum and quickselect the hybrid is "
            "not better (our reading: by no more than 5 points).",
            source="section 4.1",
            quantity="CLRS score, hybrid minus text",
            region=NOT_ABOVE,
            test=partial(gains_of, UNHELPED, known),
        ),
        claim(
            id="N8a",
            statement="Nearly all answers parse.",
            source="figure 6",
            quantity="parse score",
            region=Region(low=0.95),
            test=partial(m.parse, run),
        ),
        claim(
            id="N8b",
            statement="In extrapolation the hybrid's answers parse less often than those of text "
            "alone on some algorithms.",
            source="figure 6",
            quantity="parse score, hybrid minus text, on the algorithm where it is least",
            region=claims.NEGATIVE,
            test=partial(m.least_parse_gain, run),
        ),
        claim(
            id="N9a",
            statement="Randomised positions help both models at untrained sizes.",
            source="section 6",
            quantity="CLRS score, randomised minus plain positions",
            test=partial(gain, "clrs_score", contrasts.RANDOMISED),
        ),
        claim(
            id="N9b",
            statement="Without randomised positions text alone caps the hybrid at untrained sizes "
            "(our reading: the hybrid is ahead by no more than 5 points).",
            source="section 6",
            quantity="CLRS score, hybrid minus text, both with plain positions",
            region=NOT_ABOVE,
            test=partial(gain, "clrs_score", contrasts.NOT_RANDOMISED),
        ),
        claim(
            id="N10",
            statement="No other merge that was tried beats concatenating both attentions (our "
            "reading: by more than 5 points).",
            source="section 4",
            quantity="CLRS score, other merges minus concatenation",
            region=NOT_ABOVE,
            test=partial(gain, "clrs_score", contrasts.OTHER_MERGES, roles=m.ROLES),
        ),
        control(
            id="X1",
            statement="The content of the reasoner's embeddings is used: with another graph's "
            "embeddings answers get worse.",
            source="control, not in the paper",
            quantity="CLRS score, shape given, shuffled minus plain",
            region=claims.NEGATIVE,
            test=partial(change, "shuffled"),
        ),
        control(
            id="X2",
            statement="The reasoner's training is used: with an untrained reasoner a decoder is "
            "worse.",
            source="control, not in the paper",
            quantity="CLRS score, hybrid minus the arm with an untrained reasoner",
            test=partial(gain, "clrs_score", contrasts.REASONER_TRAINED, roles=m.ROLES),
        ),
        extension(
            id="X3",
            statement="Trained decoders also need the embeddings of edges.",
            source="ablation, not in the paper",
            quantity="CLRS score, shape given, nodes only minus both",
            region=claims.NEGATIVE,
            test=partial(change, "nodes_only"),
        ),
        extension(
            id="X4",
            statement="Adaptive temperature at inference only improves answers at untrained sizes.",
            source="after 2410.01104, section 5",
            quantity="CLRS score, adaptive minus plain inference, text model",
            test=partial(change, "adaptive", arm="text", form="free", roles=m.BEYOND),
        ),
        extension(
            id="X5",
            statement="CLRS-Text with adaptive temperature: used in training, it improves answers "
            "at untrained sizes.",
            source="2410.01104, section 5, for Gemma 2B",
            quantity="CLRS score, adaptive minus plain temperature in training",
            test=partial(gain, "clrs_score", contrasts.ADAPTIVE),
            published=Published(
                "better on the vast majority of algorithms", "published-2nd", "2410.01104"
            ),
        ),
        *(
            control(
                id=id_,
                statement=f"{trained} at up to 16 nodes, scores as published at 64 (our reading: "
                "at most 5 points below).",
                source=f"Ibarz et al. 2022, {where}",
                quantity="score minus the published one",
                region=Region(low=-MARGIN),
                decided_by=PROTOCOL,
                test=partial(reasoners, training),
                published=Published(
                    mean_pct(path, training)["overall"],
                    tag,
                    f"Ibarz et al. 2022, {where}: mean of 30, %",
                ),
            )
            for id_, training, trained, path, where, tag in (
                (
                    "R1",
                    SINGLE_TASK,
                    "Triplet-GMPNN, trained on one algorithm",
                    single_task,
                    "table 2",
                    "published",
                ),
                (
                    "R2",
                    MULTI_TASK,
                    "Triplet-MPNN without gates, trained on all 30 algorithms",
                    multi_task,
                    "figure 3",
                    "digitised",
                ),
            )
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
