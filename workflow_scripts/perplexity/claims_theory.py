"""Claims C1 to C6 (section 3) and C8 to C10 (section 4): theory, also on trained copiers."""

from functools import partial

from workflow_scripts.perplexity import measurements
from workflow_scripts.perplexity.scores import XI
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    MOST,
    NEGATIVE,
    NONE,
    POSITIVE,
    THEORY,
    Claim,
    Kind,
    Published,
    Region,
    around,
    rounding,
)
from workflow_scripts.shared.measurements import exact
from workflow_scripts.shared.protocol import Protocol

theory = partial(Claim, decided_by=THEORY)
trained = partial(Claim, decided_by=ANY_PROTOCOL)


def section_3(run: Protocol) -> list[Claim]:
    """C1 to C6: strings that perplexity cannot tell apart; `run` is the training of the copiers."""
    return [
        theory(
            id="C1a",
            statement="A string that is copied and its neighbour that is not differ in "
            "log-perplexity by at most (-log epsilon_num)/n + 2 epsilon'(n-1)/n (our correction "
            "of the sign).",
            source="lemma 3.1, appendix A (corrected)",
            quantity="simulated predictors that violate it",
            region=NONE,
            test=partial(measurements.form_broken, "corrected"),
        ),
        theory(
            id="C1b",
            kind=Kind.ERRATUM,
            statement="The inequality with the sign of log epsilon_num as printed holds.",
            source="appendix A and equation 17 (reconstructed from a description of the slip)",
            quantity="simulated predictors that violate it",
            region=NONE,
            test=partial(measurements.form_broken, "printed"),
        ),
        trained(
            id="C1c",
            statement="For any xi, every long enough string that a Transformer with compact "
            "position embeddings copies has a neighbour that it does not copy and whose "
            "log-perplexity is within xi.",
            source="lemma 3.1",
            quantity=f"share of trained copiers with such a neighbour, xi = {XI} nats",
            region=MOST,
            test=partial(measurements.neighbours, run),
        ),
        trained(
            id="C1d",
            kind=Kind.CONTROL,
            statement="Trained copiers with compact position embeddings satisfy the corrected "
            "inequality.",
            source="lemma 3.1",
            quantity="pairs of trained copiers that violate it",
            region=NONE,
            test=partial(measurements.trained_broken, run),
        ),
        theory(
            id="C2a",
            statement="With confidence at least 1 - gamma on the copied string, the other's "
            "log-perplexity is below -log(1 - gamma) + epsilon at large n.",
            source="proposition 3.2",
            quantity="simulated predictors over it",
            region=NONE,
            test=partial(exact, "C2", "over_certainty_beyond_xi", "epsilon = 0.05 nats"),
        ),
        trained(
            id="C2b",
            statement="Trained copiers satisfy the same bound at large n.",
            source="proposition 3.2",
            quantity=f"nats over -log(1 - gamma) at the largest size, epsilon = {XI}",
            region=Region(high=XI),
            test=partial(measurements.over_certainty, run),
        ),
        theory(
            id="C3a",
            statement="If gamma = 0, the log-perplexity of the wrongly copied family tends to 0.",
            source="corollary 3.3",
            quantity="log-log slope against n of a predictor certain of alpha, largest over floors",
            region=around(-1.0, 1.0e-6),
            test=partial(exact, "C3", "log_log_slope", "exactly -log(epsilon_num)/n"),
        ),
        trained(
            id="C3b",
            statement="The log-perplexity of what trained copiers copy wrongly falls with n.",
            source="corollary 3.3",
            quantity="log-log slope of the log-perplexity of beta against n",
            region=NEGATIVE,
            test=partial(measurements.copier_slope, "nats_beta", run),
        ),
        theory(
            id="C4",
            statement="For a binary output, sampling at temperature theta equals sampling at 1 "
            "with another confidence, in closed form.",
            source="remark 3.4",
            quantity="largest error against a softmax at that temperature",
            region=rounding(1.0e-9),
            test=partial(exact, "C4", "temperature_map_error", "random logits, theta 0.1-5"),
        ),
        theory(
            id="C5a",
            statement="Sampling errs on alpha with probability at most n gamma; on beta it writes "
            "anything other than alpha with probability at most n(gamma + epsilon).",
            source="remark 3.5, proposition 3.6",
            quantity="simulated predictors over their bound, exact",
            region=NONE,
            test=partial(exact, "C5", "union_bound_broken", "product over steps"),
        ),
        theory(
            id="C5b",
            statement="Error rates of sampled strings satisfy the same bounds.",
            source="remark 3.5, proposition 3.6",
            quantity="error rates over the bound at the 5 % level, Holm over all rates",
            region=NONE,
            test=partial(exact, "C5", "union_bound_broken_sampled", "Monte Carlo"),
        ),
        trained(
            id="C5c",
            kind=Kind.CONTROL,
            statement="Trained copiers satisfy the same bounds.",
            source="remark 3.5, proposition 3.6",
            quantity="error probabilities over their bound, exact",
            region=NONE,
            test=partial(measurements.trained_union, run),
        ),
        trained(
            id="C6a",
            statement="As the loss on alpha vanishes, the gradient on beta vanishes as n grows.",
            source="corollary 3.7",
            quantity="log-log slope of the gradient's norm on beta against n",
            region=NEGATIVE,
            test=partial(measurements.copier_slope, "gradient_beta", run),
        ),
        trained(
            id="C6b",
            kind=Kind.ERRATUM,
            statement="Every term of that gradient vanishes, as in the proof, so n times its norm "
            "falls as well (the flipped bit's term is only divided by n).",
            source="proof of corollary 3.7",
            quantity="log-log slope of n times the gradient's norm on beta against n",
            region=NEGATIVE,
            test=partial(measurements.copier_slope, "size_times_gradient_beta", run),
        ),
    ]


def section_4() -> list[Claim]:
    """C8 to C10: accuracies and confidences that give equal perplexity."""
    return [
        theory(
            id="C8a",
            statement="At one confidence 1 - gamma, log-perplexity is "
            "-a log(1-gamma) - (1-a) log gamma.",
            source="equation 10",
            quantity="largest error against single predictions, nats",
            region=rounding(1.0e-9),
            test=partial(exact, "C8", "log_perplexity_error_nats", "random a and gamma"),
        ),
        theory(
            id="C8b",
            statement="Confidence higher by Delta needs accuracy a' for equal perplexity.",
            source="equation 11",
            quantity="largest difference of the two perplexities, nats",
            region=rounding(1.0e-9),
            test=partial(exact, "C8", "equal_perplexity_error_nats", "random bases"),
        ),
        theory(
            id="C9a",
            statement="At accuracy 1/2, for every confidence there are more confident and more "
            "accurate models that perplexity rejects.",
            source="figure 3 left",
            quantity="smallest a' - a over confidences and shifts",
            region=POSITIVE,
            test=partial(exact, "C9", "least_extra_accuracy", "grid of gamma and Delta"),
        ),
        *(
            theory(
                id=name,
                statement=f"Many shifts need more than {points} points of accuracy (we ask for "
                "more than half of them).",
                source="figure 3 left",
                quantity="share of shifts",
                region=MOST,
                test=partial(exact, "C9", f"share_over_{points}_points", "grid of gamma and Delta"),
                published=Published("many", "published", "section 4.2"),
            )
            for name, points in (("C9b", 5), ("C9c", 10))
        ),
        theory(
            id="C9d",
            statement="The accuracy needed tends to 1 as Delta tends to gamma.",
            source="figure 3 left",
            quantity="smallest a' over confidences where 1e-300 of gamma is left",
            region=Region(0.99, 1.0),
            test=partial(exact, "C9", "critical_accuracy_at_end", "slow: 1 - L / 691"),
        ),
        theory(
            id="C10a",
            statement="At gamma = 0.4 an accurate but under-confident base can lose accuracy and "
            "improve its perplexity by confidence alone.",
            source="figure 3 right",
            quantity="smallest dip of a' below the base's accuracy, over bases that are "
            "under-confident",
            region=POSITIVE,
            test=partial(exact, "C10", "least_dip", "bases from a = 0.605 to 1"),
        ),
        theory(
            id="C10b",
            statement="That free lunch exists exactly where a > 1 - gamma.",
            source="derived from equation 11",
            kind=Kind.EXTENSION,
            quantity="bases for which this is wrong",
            region=NONE,
            test=partial(exact, "C10", "free_lunch_mistaken", "bases from a = 0.5 to 1"),
        ),
    ]
