"""The eleven claims of the paper and what our scores say about each.

Claims about published accuracies (S6) need the paper's protocol, and heads as accurate at 16 items
as the paper's. Claims that any trained head can decide (S2, S7) also accept a reduced protocol.
"""

from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared import claims, protocol
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    MOST,
    NEGATIVE,
    NONE,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    Kind,
    Published,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import exact, untested
from workflow_scripts.shared.protocol import Protocol, Setting
from workflow_scripts.softmax import claims_adaptive, measurements
from workflow_scripts.softmax.measurements import published_gain
from workflow_scripts.softmax.scores import IN_DISTRIBUTION

theory = partial(Claim, decided_by=THEORY)
heads = partial(Claim, decided_by=ANY_PROTOCOL)
table_1 = partial(Claim, decided_by=PROTOCOL, source="table 1")

LARGEST = 16384  # items, the last row of table 1

# What each figure shows, by the ids of claims.
FIGURES = {
    "adaptive": ("S13", "S14"),
    "atlas": ("S12",),
    "accuracy": ("S6a", "S6b", "S6c", "S6d"),
    "entropy": ("S1b", "S2", "S7", "S10b"),
    "gain": ("S6a", "S6b", "S6c", "S6d"),
    "maps": ("S7",),
    "normalisers": ("S11",),
    "spread": ("S9a", "S9b"),
    "temperature": ("S5b", "S5c"),
}


def protocols(settings: dict[str, Any]) -> dict[str, Protocol]:
    """What E1 and E7 followed of the paper's protocol: experiment -> evidence.

    `settings` holds `heads` (config's `softmax.heads`), `sizes`, and the steps of both trainings.
    The number of steps, of heads and of test sets is not known. The steps are listed all the same,
    with the fewest that a re-implementation takes: a training of 40 steps is not the paper's.
    """
    own = settings["heads"]
    cited = "appendix A, as cited by a re-implementation"
    known = [
        Setting("items in training", [own["fewest_items"], own["most_items"]], [16, 16]),
        *(
            Setting(name.replace("_", " "), own[name], paper, source=cited)
            for name, paper in (
                ("width", 128),
                ("categories", 10),
                ("batch", 128),
                ("learning_rate", 1.0e-3),
                ("weight_decay", 1.0e-3),
            )
        ),
        Setting("test sizes", sorted(settings["sizes"]), [2**k for k in range(4, 15)]),
    ]
    fewest = "the fewest in a re-implementation; the paper's number is not known"
    return {
        experiment: protocol.evidence(
            *known, Setting("steps", settings[name], 2000, "at least", source=fewest)
        )
        for experiment, name in (("E1", "retrieval_steps"), ("E7", "comparison_steps"))
    }


def all_claims(accuracy: str, spread: str, settings: dict[str, Any]) -> list[Claim]:
    """The claims; `accuracy` and `spread` are the files of the published numbers.

    `settings` are those that `protocols` compares with the paper's.
    """
    runs = protocols(settings)
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
            test=partial(measurements.trained_slope, runs),
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
            quantity="trained heads over the bound",
            region=NONE,
            kind=Kind.CONTROL,
            test=partial(measurements.trained_spread, runs),
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
            kind=Kind.EXTENSION,
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
        theory(
            id="S5c",
            statement="Past the window of the published polynomial (5.94 nats) the adaptive "
            "temperature is 1 and changes nothing.",
            source="derived from figure 4",
            kind=Kind.EXTENSION,
            quantity="rows past the window whose temperature is not 1",
            region=NONE,
            test=measurements.past_window,
        ),
        heads(
            id="S5b",
            statement="A quartic of the entropy explains most of the variance of the best inverse "
            "temperature (the paper fits one; how it chose the best is not known, so by our own "
            "criteria).",
            source="section 4, figure 6",
            kind=Kind.EXTENSION,
            quantity="share of variance explained, by a quartic fitted to the other heads",
            region=MOST,
            test=partial(measurements.refit, table, runs),
        ),
        table_1(
            id="S6a",
            statement="Adaptive temperature at inference helps at every size beyond training.",
            quantity="smallest gain over the larger sizes, points",
            region=POSITIVE,
            test=partial(measurements.helps_everywhere, table, runs),
            published=second("significant at every larger size", source="table 1"),
        ),
        table_1(
            id="S6b",
            statement="Adaptive temperature helps at 1,024 items.",
            quantity="gain at 1,024 items, points",
            region=POSITIVE,
            test=partial(measurements.gain_at, 1024, table, runs),
            published=second(published_gain(table, 1024), source="table 1"),
        ),
        table_1(
            id="S6c",
            statement="Adaptive temperature changes nothing at the sizes of training (up to the "
            "rounding of two published accuracies).",
            quantity="gain at 16 items, points",
            region=around(0.0, 0.1),
            test=partial(measurements.gain_at, IN_DISTRIBUTION, table, runs),
            published=second(published_gain(table, IN_DISTRIBUTION), source="table 1"),
        ),
        table_1(
            id="S6d",
            statement="At 16,384 items attention is past the window of the polynomial, so the "
            "correction no longer changes the accuracy. Table 1 has a gain there: the paper's "
            "heads are still within the window on some sets.",
            source="derived from figure 4; table 1",
            kind=Kind.MISREADING,
            quantity="gain at 16,384 items, points",
            region=around(0.0, 0.1),
            test=partial(measurements.gain_at, LARGEST, table, runs),
            published=second(published_gain(table, LARGEST), source="table 1"),
        ),
        heads(
            id="S7",
            statement="A head trained on sets of up to 16 items attends to the largest item there "
            "and disperses as the set grows.",
            source="figure 2",
            quantity="weight on the largest item lost between 16 items and the largest size (at "
            "least half, so that it was there at 16)",
            region=MOST,
            test=partial(measurements.sharpness_lost, runs),
        ),
        Claim(
            id="S8",
            statement="Adaptive temperature wins on most CLRS-Text algorithms, except Heapsort, "
            "MST Kruskal and Bubble Sort.",
            source="section 5",
            quantity="algorithms improved",
            region=POSITIVE,
            decided_by=PAPER_MODEL,
            models=("Gemma 2B",),
            test=partial(
                untested,
                "no Gemma 2B is fine-tuned here; claims X4 (at inference) and X5 (in training) of "
                "transnar read it on small decoders, if that study is part of the run",
            ),
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
                models=(model,),
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
            quantity="largest difference from the direct form with the exact entropy",
            region=rounding(1.0e-12),
            test=measurements.streaming_error,
        ),
        theory(
            id="S10b",
            statement="Adaptive temperature does not escape dispersion.",
            source="section 4",
            quantity="log-log slope of the largest weight against n, at the highest inverse "
            "temperature of the polynomial",
            region=around(-1.0, 0.01),
            test=measurements.still_disperses,
        ),
        heads(
            id="S11",
            statement="Attention that is not a softmax (sigmoid, hard, sparse, rescaled) is a way "
            "out; the paper discusses several and tests none.",
            source="section 6",
            kind=Kind.EXTENSION,
            quantity="accuracy gain over softmax at 1,024 items, trained and tested alike",
            region=POSITIVE,
            test=partial(measurements.way_out, table, runs),
        ),
        *claims_adaptive.adaptive(),
    ]


if __name__ == "__main__":
    claims.run(snakemake, all_claims, FIGURES)
