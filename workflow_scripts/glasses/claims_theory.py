"""Claims G1 to G8: the paper's lemmas, theorems and propositions, and their assumptions."""

from functools import partial

from workflow_scripts.glasses import measurements as m
from workflow_scripts.glasses.metrics import BFLOAT16_LINE
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.shared.claims import (
    ANY_MODEL,
    ANY_PROTOCOL,
    MOST,
    NONE,
    PROTOCOL,
    THEORY,
    Claim,
    Kind,
    Region,
    rounding,
)
from workflow_scripts.shared.measurements import exact

of_theory = partial(Claim, decided_by=THEORY)
# A limit is fitted, so it is never exactly 0: of weights it may be a thousandth, of gaps what
# bfloat16 cannot tell apart between 1 and 2, the line that the paper draws.
VANISHES = Region(high=1.0e-3)
CLOSE = Region(high=BFLOAT16_LINE)


def claims(numbers: Numbers, protocols: m.Protocols) -> list[Claim]:
    """The claims, with the published numbers and the protocols that this run followed."""
    return [
        of_theory(
            id="G1a",
            statement="One more bounded entry strictly lowers the softmax weight of the last one.",
            source="lemma B.1",
            quantity="cases where it does not",
            region=NONE,
            test=partial(exact, "G1", "violations", "random bounded logits"),
        ),
        of_theory(
            id="G1b",
            statement="The weight of the last entry goes to 0 with n.",
            source="lemma B.1",
            quantity="limit a of a + b n^-c fitted to the weight",
            region=VANISHES,
            test=partial(exact, "G1", "last_weight_limit", "random bounded logits"),
        ),
        Claim(
            id="G2",
            statement="Where two bounded sequences approach each other, so do their softmaxes in "
            "L1.",
            source="lemma 4.1, figure 9",
            quantity="limit a of a + b n^-c fitted to the L1 distance, noise on the first 200 "
            "entries",
            region=VANISHES,
            decided_by=ANY_PROTOCOL,  # of a lemma, at any length
            test=partial(m.variation, protocols.figure_9),
        ),
        of_theory(
            id="G3a",
            statement="The gap is at most the distance of the weights on the shared tokens plus "
            "the weight of the repeated token.",
            source="theorem 4.2, proof",
            quantity="cases over the bound",
            region=NONE,
            test=partial(exact, "G3", "chain_violations", "random queries, keys, values"),
        ),
        of_theory(
            id="G3b",
            statement="A sequence and the same with its last token repeated become arbitrarily "
            "close, given bounded tokens and positions that fade with distance.",
            source="theorem 4.2",
            quantity="limit a of a + b n^-c fitted to the L1 gap, whole layer without encoding, "
            "float64",
            region=CLOSE,
            test=partial(m.limit, "layer", "layer", "l1", ["none"], m.RANDOM_LAYERS),
        ),
        Claim(
            id="G3c",
            statement="They also become close with sinusoidal encodings on queries and keys, in "
            "one attention layer.",
            source="figure 8",
            quantity="limit a of a + b n^-c fitted to the L-infinity gap, float64",
            region=CLOSE,
            decided_by=PROTOCOL,
            test=partial(m.limit, "E6", "attention", "linf", ["sinusoidal"], protocols.figure_8),
        ),
        of_theory(
            id="G3d",
            kind=Kind.MISREADING,
            statement="They also become close where the sinusoids are added to the values as well, "
            "as in a usual decoder.",
            source="figure 8, read without its separate encodings",
            quantity="limit a of a + b n^-c fitted to the L-infinity gap, float64",
            region=CLOSE,
            test=partial(m.limit, "E6", "values", "linf", ["sinusoidal"], m.RANDOM_LAYERS),
        ),
        of_theory(
            id="G4",
            statement="Without that assumption the distance can remain: alternating sequences keep "
            "2(e-1)/(e+1).",
            source="proposition B.4",
            quantity="largest distance from the closed form",
            region=rounding(1.0e-9),
            test=partial(exact, "G4", "closed_form_error", "even lengths"),
            published=numbers.threshold(
                "limit of the alternating-sequence total variation (Prop. B.4)"
            ),
        ),
        of_theory(
            id="G5a",
            statement="With attention weights held fixed, a constant times a product of normalised "
            "attention matrices bounds the sensitivity of the last token to each earlier one.",
            source="theorem 5.1",
            quantity="Jacobian norms over the bound, random decoders",
            region=NONE,
            test=partial(exact, "G5", "bound_violations_fixed", "autograd"),
        ),
        Claim(
            id="G5b",
            kind=Kind.EXTENSION,
            statement="The same bound holds in a trained decoder, with norms of its blocks in "
            "place of the constants.",
            source="theorem 5.1",
            quantity="Jacobian norms over the bound, trained models",
            region=NONE,
            decided_by=ANY_MODEL,  # a theorem about every decoder can be decided on any
            test=partial(
                m.in_models, "model_sensitivity", "bound_violations_fixed", "digits of one prompt"
            ),
        ),
        of_theory(
            id="G5c",
            kind=Kind.MISREADING,
            statement="The bound also holds without its assumption, where attention weights vary "
            "with the tokens as in a real decoder.",
            source="theorem 5.1, read without its assumption",
            quantity="Jacobian norms over the bound, random decoders",
            region=NONE,
            test=partial(exact, "G5", "bound_violations_varying", "autograd"),
        ),
        of_theory(
            id="G5d",
            statement="Earlier tokens have more paths to the last one.",
            source="section 5",
            quantity="paths from token 1 over paths from the last but one",
            region=Region(low=1.0 + 1.0e-9),
            test=m.path_ratio,
        ),
        of_theory(
            id="G6",
            statement="With equal layers the bound tends to 'only token 1 matters' as layers are "
            "added.",
            source="proposition 5.2",
            quantity="smallest weight of token 1 in ((Lambda + I)/2)^L",
            region=Region(low=0.999),
            test=partial(exact, "B8", "least_first_weight", "random causal softmax matrices"),
        ),
        of_theory(
            id="G7a",
            statement="Without positions and without a causal mask a decoder sees only the ratio "
            "of zeros to ones, so it cannot count.",
            source="proposition 6.1",
            quantity="largest difference between sequences of one ratio",
            region=rounding(1.0e-9),
            test=partial(exact, "G7", "ratio_gap_linf", "bidirectional", encoding="bidirectional"),
        ),
        of_theory(
            id="G7b",
            kind=Kind.MISREADING,
            statement="The same holds with a causal mask, according to one summary.",
            source="proposition 6.1, misread",
            quantity="largest difference between sequences of one ratio",
            region=rounding(1.0e-9),
            test=partial(exact, "G7", "ratio_gap_linf", "causal", encoding="causal"),
        ),
        of_theory(
            id="G8",
            statement="At finite precision two sequences with different counts get one "
            "representation, so at least one count is wrong.",
            source="corollary 6.2",
            quantity="share of random layers whose outputs are bit-equal at some length that ran, "
            "bfloat16",
            region=MOST,
            test=partial(m.equal_in, "bfloat16"),
        ),
    ]
