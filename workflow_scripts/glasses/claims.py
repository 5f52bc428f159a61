"""The sixteen claims of the paper and what our scores say about each.

Random decoders follow the paper's own synthetic protocol and are nobody's model; language models
decide a claim about Gemini or Gemma only where they are that model.
"""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.glasses import measurements as m
from workflow_scripts.shared import claims, job, provenance, tables
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region
from workflow_scripts.shared.readings import untested
from workflow_scripts.shared.schemas import SCORES

THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
# A theorem about every decoder can be decided on any.
ANY_MODEL = frozenset({Evidence.STAND_IN, Evidence.OTHER_MODEL, Evidence.PAPER_MODEL})
NONE = Region(0.0, 0.0)
NEGATIVE = Region(high=-1.0e-9)
POSITIVE = Region(low=1.0e-9)
ROUNDING = Region(0.0, 1.0e-9)


def all_claims(thresholds_csv: str | Path) -> list[Claim]:
    """The claims, with the published numbers read from their file."""
    table = pd.read_csv(thresholds_csv, dtype=str).set_index("finding")

    def published(finding: str) -> Published:
        value, tag, source = (str(table[key][finding]) for key in ("value", "confidence", "source"))
        return Published(value if "-" in value else float(value), tag, source)

    gap_limit = published("Linf gap for counting all-ones prompt is near machine precision")
    at_hundred = published("predicted count that dominates the histogram")
    return [
        Claim(
            "G1a",
            "One more bounded entry strictly lowers the softmax weight of the last entry.",
            "lemma B.1",
            "cases where it does not",
            NONE,
            THEORY,
            partial(m.theory, "G1", "violations", "random bounded logits", {}),
        ),
        Claim(
            "G1b",
            "The last entry's weight goes to 0 with n.",
            "lemma B.1",
            "log-log slope of the weight against n",
            NEGATIVE,
            THEORY,
            partial(m.theory, "G1", "last_weight_slope", "random bounded logits", {}),
        ),
        Claim(
            "G2",
            "Where two bounded sequences approach each other, so do their softmaxes, in L1.",
            "lemma 4.1, figure 9",
            "log-log slope of the L1 distance against n, noise on the first 200 entries",
            NEGATIVE,
            PROTOCOL | THEORY,
            partial(m.theory, "E7", "variation_slope", "the paper's simulation (E7)", {}),
        ),
        Claim(
            "G3a",
            "The gap is at most the distance of the weights on the shared tokens plus the weight "
            "of the repeated token.",
            "theorem 4.2, proof",
            "cases over the bound",
            NONE,
            THEORY,
            partial(m.theory, "G3", "chain_violations", "random queries, keys, values", {}),
        ),
        Claim(
            "G3b",
            "A sequence and the same with its last token repeated become arbitrarily close, given "
            "bounded tokens and positions that fade with distance.",
            "theorem 4.2",
            "log-log slope of the L1 gap against n, whole layer without encoding, float64",
            NEGATIVE,
            PROTOCOL,
            partial(
                m.synthetic,
                "E6",
                "gap_slope",
                "one random layer",
                {"precision": "float64", "part": "layer", "encoding": "none"},
            ),
        ),
        Claim(
            "G3c",
            "So it is with sinusoidal encodings, one attention layer (N(0, 1/d) read as random "
            "projections of tokens).",
            "figure 8",
            "log-log slope of the L1 gap against n, float64",
            NEGATIVE,
            PROTOCOL,
            partial(
                m.synthetic,
                "E6",
                "gap_slope",
                "attention output",
                {"precision": "float64", "part": "attention", "encoding": "sinusoidal"},
            ),
        ),
        Claim(
            "G3d",
            "So it is with sinusoidal encodings, one attention layer (N(0, 1/d) read as queries, "
            "keys and values drawn by themselves).",
            "figure 8",
            "log-log slope of the L1 gap against n, float64",
            NEGATIVE,
            PROTOCOL,
            partial(
                m.synthetic,
                "E6",
                "gap_slope",
                "attention output",
                {"precision": "float64", "part": "vectors", "encoding": "sinusoidal"},
            ),
        ),
        Claim(
            "G4",
            "Without that assumption the distance can stay: alternating sequences keep "
            "2(e-1)/(e+1).",
            "proposition B.4",
            "largest distance from the closed form",
            ROUNDING,
            THEORY,
            partial(m.theory, "G4", "closed_form_error", "even lengths", {}),
            published("limit of the alternating-sequence total variation (Prop. B.4)"),
        ),
        Claim(
            "G5a",
            "With attention weights held fixed, a constant times a product of normalised attention "
            "matrices bounds the sensitivity of the last token to each earlier one.",
            "theorem 5.1",
            "Jacobian norms over the bound, random decoders",
            NONE,
            THEORY,
            partial(m.theory, "G5", "bound_violations_fixed", "autograd", {}),
        ),
        Claim(
            "G5b",
            "The same on a trained decoder, block norms in place of the constants.",
            "theorem 5.1",
            "Jacobian norms over the bound, trained models",
            NONE,
            ANY_MODEL,
            partial(m.in_models, "heard", "bound_violations_fixed", "digits of one prompt", {}),
        ),
        Claim(
            "G5c",
            "The bound without its assumption: attention weights vary with the tokens, as in a "
            "real decoder.",
            "theorem 5.1, read without its assumption",
            "Jacobian norms over the bound, random decoders",
            NONE,
            THEORY,
            partial(m.theory, "G5", "bound_violations_varying", "autograd", {}),
        ),
        Claim(
            "G5d",
            "Earlier tokens own more paths to the last one.",
            "section 5",
            "paths from token 1 over paths from the last but one",
            Region(low=1.0 + 1.0e-9),
            THEORY,
            m.path_ratio,
        ),
        Claim(
            "G6",
            "With equal layers the bound tends to 'only token 1 matters' as layers are added.",
            "proposition 5.2",
            "least weight of token 1 in ((Lambda + I)/2)^L",
            Region(low=0.999),
            THEORY,
            partial(m.theory, "B8", "least_first_weight", "random causal softmax matrices", {}),
        ),
        Claim(
            "G7a",
            "Without positions and without a causal mask a decoder sees only the ratio of zeros to "
            "ones, so it cannot count.",
            "proposition 6.1",
            "largest difference between sequences of one ratio",
            ROUNDING,
            THEORY,
            partial(
                m.theory, "G7", "ratio_gap_linf", "bidirectional", {"encoding": "bidirectional"}
            ),
        ),
        Claim(
            "G7b",
            "The same with a causal mask, as one summary has it.",
            "proposition 6.1, misread",
            "largest difference between sequences of one ratio",
            ROUNDING,
            THEORY,
            partial(m.theory, "G7", "ratio_gap_linf", "causal", {"encoding": "causal"}),
        ),
        Claim(
            "G8",
            "At finite precision two sequences with different counts get one representation, so at "
            "least one count is wrong.",
            "corollary 6.2",
            "share of random layers whose outputs are bit-equal at some length, bfloat16",
            Region(1.0, 1.0),
            PROTOCOL,
            partial(m.equal_in, "bfloat16"),
        ),
        Claim(
            "G9a",
            "The first element is copied better than the last.",
            "section 3.1, figure 2",
            "accuracy on the first less accuracy on the last",
            POSITIVE,
            PAPER_MODEL,
            partial(m.in_models, "E1a", "first_over_last", "equal lengths", {}),
            Published("first better than last", "published", "section 3.1"),
        ),
        Claim(
            "G9b",
            "Errors on the last element begin at some length.",
            "section 3.1",
            "shortest sequence with a wrong last element",
            Region(low=0.0),
            PAPER_MODEL,
            partial(
                m.in_models,
                "E1a",
                "first_error_length",
                "edge sequences",
                {"task": "last", "family": "edge"},
            ),
            published("last-element copy of 1...10 starts to return 1"),
        ),
        Claim(
            "G9c",
            "A hint that the answer need not be 1 helps much.",
            "section 3.1, figure 2",
            "accuracy on the last with the hint less without",
            POSITIVE,
            PAPER_MODEL,
            partial(m.in_models, "E1b", "hint_gain", "equal lengths", {}),
        ),
        *(
            Claim(
                f"G9{letter}",
                f"Interleaving zeros and ones helps ({what}).",
                "section 3.1, figure 2",
                "accuracy on the last, interleaved less plain",
                POSITIVE,
                PAPER_MODEL,
                partial(m.in_models, "E1c", f"{name}_gain", "equal lengths", {}),
            )
            for letter, name, what in (
                ("d", "alternating", "1010…, text and caption"),
                ("e", "blocks", "11110 repeated, a blog's drawing"),
            )
        ),
        Claim(
            "G10a",
            "The error of counting grows with length, whatever the prompting.",
            "figure 3",
            "least rank correlation of absolute error and length over tasks",
            POSITIVE,
            PAPER_MODEL,
            m.error_trend,
            Published("grows for all prompts", "published-2nd", "secondary notes"),
        ),
        Claim(
            "G10b",
            "Answers pile up on round values, 100 above all, once lengths reach about 100.",
            "figure 4",
            "share of answers that are 100, lengths from 100",
            Region(low=0.5),
            PAPER_MODEL,
            partial(
                m.in_models, "E2", "hundred_share", "all tasks and promptings", {"task": "all"}
            ),
            at_hundred,
        ),
        Claim(
            "G11a",
            "In Gemma 7B the gap of repeated ones nears machine precision at about 50.",
            "section 4, figure 5a",
            "length from which the gap is at most one unit in the last place, bfloat16",
            Region(25.0, 100.0),
            PAPER_MODEL,
            m.gap_onset,
            gap_limit,
        ),
        Claim(
            "G11b",
            "Random digits delay it.",
            "section 4, figure 5b",
            "log10 of the gap of random digits over that of ones, mean over lengths",
            POSITIVE,
            PAPER_MODEL,
            partial(m.gap_ratio, "count_digits", "count_ones", "last digit, float32"),
        ),
        Claim(
            "G11c",
            "Lower precision makes collapse earlier.",
            "section 4, argued",
            "log10 of the collapse length in float16 over that in bfloat16",
            POSITIVE,
            PROTOCOL,
            m.by_precision,
        ),
        Claim(
            "G12",
            "A comma after every third digit keeps representations apart.",
            "section 4, figure 5d",
            "log10 of the gap with commas over that without, mean over lengths",
            POSITIVE,
            PAPER_MODEL,
            partial(m.gap_ratio, "copy_separated", "copy_ones", "last digit, float32"),
        ),
        Claim(
            "G13a",
            "Representations approach each other with every position encoding, one random layer.",
            "figure 10",
            "log-log slope of the L1 gap against n, float64",
            NEGATIVE,
            PROTOCOL,
            partial(
                m.synthetic,
                "E8",
                "gap_slope",
                "E8, attention output",
                {"precision": "float64", "part": "attention"},
            ),
        ),
        Claim(
            "G13b",
            "They collapse at similar lengths with all four (read as: within a factor of ten).",
            "figure 10",
            "earliest collapse length over the latest, bfloat16",
            Region(low=0.1),
            PROTOCOL,
            m.together,
        ),
        Claim(
            "G14a",
            "The order of the prompt changes accuracy.",
            "appendix C.5, figure 11",
            "size of the difference in accuracy between two orders",
            POSITIVE,
            PAPER_MODEL,
            m.order_matters,
        ),
        Claim(
            "G14b",
            "Both orders fail in the end.",
            "appendix C.5, figure 11",
            "accuracy at lengths from half of the longest on",
            Region(high=0.5),
            PAPER_MODEL,
            partial(m.in_models, "E5", "accuracy_longest", "edge sequences", {}),
        ),
        Claim(
            "G15",
            "A sliding window keeps representations apart.",
            "section 4, argued",
            "gap at the longest length in units of the last place, bfloat16",
            Region(low=1.0 + 1.0e-9),
            PROTOCOL,
            partial(m.cure, "window", "one random layer, random digits"),
        ),
        Claim(
            "G16a",
            "Paths at the front and recency at the end make a U: both ends are heard better than "
            "the middle.",
            "section 5",
            "lesser end over the middle third, bound with recency, deepest stack",
            Region(low=1.0 + 1.0e-9),
            THEORY,
            m.u_shape,
            Published("U-shape", "published-2nd", "secondary notes"),
        ),
        Claim(
            "G16b",
            "That U accounts for retrieval that depends on the position in the prompt.",
            "section 5",
            "accuracy at the ends less accuracy in the middle",
            POSITIVE,
            PAPER_MODEL,
            partial(untested, "retrieval by position is no experiment of the paper"),
        ),
    ]


def main(
    scores: str, thresholds_csv: str, path: str, models: dict[str, Any], provenance: dict[str, Any]
) -> None:
    claims.write(
        path,
        all_claims(thresholds_csv),
        tables.read(scores, SCORES),
        claims.evidence_of(models, "glasses"),
        provenance,
    )


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            snakemake.input.thresholds,
            snakemake.output.claims,
            snakemake.params.models,
            provenance=provenance.of(snakemake),
        )
