"""The eleven claims of the paper and what our scores say about each.

The heads of E1 follow the paper's protocol as far as it is known, with fewer steps in a short run.
Claims about how sharp a head becomes (S6) stay undecided while our heads are less accurate at 16
items than the paper's; claims that a head disperses at all (S2, S7) do not.
"""

from functools import partial

import pandas as pd

from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import (
    MOST,
    NEGATIVE,
    NONE,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    Published,
    Region,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import exact, untested
from workflow_scripts.softmax import measurements
from workflow_scripts.softmax.measurements import IN_DISTRIBUTION, published_gain

theory = partial(Claim, decided_by=THEORY)
heads = partial(Claim, decided_by=PROTOCOL)


def all_claims(accuracy: str, spread: str) -> list[Claim]:
    """The claims; `accuracy` and `spread` are the files of the published numbers."""
    table = measurements.published_accuracy(accuracy)
    spreads = pd.read_csv(spread).set_index("model")
    second = partial(Published, tag="published-2nd")
    return [
        theory(
            id="S1a",
            statement="With logits in a bounded range, every softmax weight lies within "
            "exp(-+spread/theta)/n.",
            source="lemma 2.1",
            quantity="weights outside the bounds",
            region=NONE,
            test=partial(exact, "S1", "bound_violations", "random bounded logits"),
        ),
        theory(
            id="S1b",
            statement="With logits in a bounded range, the largest weight falls as 1/n.",
            source="lemma 2.1",
            quantity="log-log slope of the largest weight against n",
            region=around(-1.0, 0.01),
            test=partial(exact, "S1", "max_weight_slope", "uniform logits, large n"),
        ),
        heads(
            id="S2",
            statement="Over a finite vocabulary every softmax head disperses once there are "
            "enough tokens.",
            source="theorem 2.2",
            quantity="log-log slope of the largest weight against n, trained heads",
            region=NEGATIVE,
            test=measurements.trained_slope,
        ),
        theory(
            id="S3a",
            statement="The logit spread is bounded by the largest singular values of Q and K.",
            source="proposition 3.1",
            quantity="random heads over the bound",
            region=NONE,
            test=partial(exact, "S3", "spread_bound_violations", "random Q, K and inputs"),
        ),
        heads(
            id="S3b",
            statement="The logit spread is bounded by the largest singular values of Q and K.",
            source="proposition 3.1",
            quantity="spread over bound, trained heads",
            region=Region(0.0, 1.0),
            test=measurements.trained_spread,
        ),
        theory(
            id="S4a",
            statement="Lowering the temperature never raises the entropy.",
            source="section 3",
            quantity="cases in which entropy rises with beta",
            region=NONE,
            test=partial(exact, "S4", "entropy_rises", "random bounded logits"),
        ),
        theory(
            id="S4b",
            statement="Entropy falls with beta at the rate beta times the variance of the logits.",
            source="derived",
            quantity="largest error of -beta Var(e) against a finite difference, nats",
            region=rounding(1.0e-6),
            test=partial(exact, "S4", "entropy_slope_error", "random bounded logits"),
        ),
        theory(
            id="S5a",
            statement="The adaptive temperature sharpens or leaves alone, and never flattens.",
            source="figure 4",
            quantity="rows whose entropy rose",
            region=NONE,
            test=partial(exact, "S5", "flattened_rows", "published polynomial"),
        ),
        heads(
            id="S5b",
            statement="The best inverse temperature is a function of the entropy that a quartic "
            "can represent: it explains most of its variance.",
            source="section 4, figure 6",
            quantity="share of variance explained by our own quartic",
            region=MOST,
            test=measurements.refit,
        ),
        heads(
            id="S6a",
            statement="Adaptive temperature at inference helps at every size beyond training.",
            source="table 1",
            quantity="smallest gain over the larger sizes, points",
            region=POSITIVE,
            test=partial(measurements.helps_everywhere, table),
            published=second("significant at every larger size", source="table 1"),
        ),
        heads(
            id="S6b",
            statement="Adaptive temperature helps at 1,024 items.",
            source="table 1",
            quantity="gain at 1,024 items, points",
            region=POSITIVE,
            test=partial(measurements.gain_at, 1024, table),
            published=second(published_gain(table, 1024), source="table 1"),
        ),
        heads(
            id="S6c",
            statement="Adaptive temperature changes nothing at the sizes of training (up to the "
            "rounding of two published accuracies).",
            source="table 1",
            quantity="gain at 16 items, points",
            region=around(0.0, 0.1),
            test=partial(measurements.gain_at, IN_DISTRIBUTION, table),
            published=second(published_gain(table, IN_DISTRIBUTION), source="table 1"),
        ),
        heads(
            id="S6d",
            statement="Past the window of the polynomial the correction does nothing.",
            source="derived from figure 4",
            quantity="gain at the largest size, points",
            region=around(0.0, 0.1),
            test=measurements.beyond_window,
        ),
        heads(
            id="S7",
            statement="A head trained on sets of up to 16 items attends to the largest item there "
            "and disperses as the set grows.",
            source="figure 2",
            quantity="weight on the largest item lost between 16 items and the largest size",
            region=POSITIVE,
            test=measurements.sharpness_lost,
        ),
        Claim(
            id="S8",
            statement="Adaptive temperature wins on most CLRS-Text algorithms, except Heapsort, "
            "MST Kruskal and Bubble Sort.",
            source="section 5",
            quantity="algorithms improved",
            region=POSITIVE,
            decided_by=PAPER_MODEL,
            test=partial(untested, "CLRS-Text fine-tuning (E6) is not part of this workflow yet"),
            published=second("vast majority of 30 algorithms", source="section 5"),
        ),
        *(
            Claim(
                id=f"S9{letter}",
                statement=f"The logit spread of {model} is modest.",
                source="section 3",
                quantity="mean logit spread",
                region=around(spreads["delta_mean"][model], spreads["delta_sd"][model]),
                decided_by=PAPER_MODEL,
                test=measurements.model_spread,
                published=second(spreads["delta_mean"][model], source="section 3"),
            )
            for letter, model in (("a", "Gemma 2B"), ("b", "Gemma 7B"))
        ),
        theory(
            id="S10a",
            statement="Adaptive temperature can be computed block by block in memory that does "
            "not grow with n.",
            source="section 4",
            quantity="largest difference from the direct form",
            region=rounding(1.0e-6),
            test=partial(exact, "S10", "streaming_error", "two passes over the keys"),
        ),
        theory(
            id="S10b",
            statement="Adaptive temperature does not escape dispersion.",
            source="section 4",
            quantity="log-log slope of the largest weight against n, adaptive temperature",
            region=around(-1.0, 0.01),
            test=partial(exact, "S10", "max_weight_slope", "uniform logits, large n"),
        ),
        heads(
            id="S11",
            statement="Attention that is not a softmax (sigmoid, hard, sparse, rescaled) is a way "
            "out; the paper discusses several and tests none.",
            source="section 6",
            quantity="accuracy gain over softmax at 1,024 items, trained and tested alike",
            region=POSITIVE,
            test=measurements.way_out,
        ),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims)
