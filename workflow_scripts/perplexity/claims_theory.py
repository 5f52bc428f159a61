"""Claims C1 to C6 (section 3) and C8 to C10 (section 4): theory, and what follows for copiers."""

from functools import partial

from workflow_scripts.perplexity import measurements
from workflow_scripts.shared import readings
from workflow_scripts.shared.claims import Claim, Evidence, Published, Region

THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
NONE = Region(0.0, 0.0)  # no violation at all
ROUNDING = Region(0.0, 1.0e-9)
POSITIVE = Region(low=1.0e-9)
NEGATIVE = Region(high=-1.0e-9)
MOST = Region(low=0.5)


def section_3() -> list[Claim]:
    return [
        Claim(
            "C1a",
            "A string that is copied and its neighbour that is not differ in log-perplexity by at "
            "most (-log epsilon_num)/n + 2 epsilon'(n-1)/n (our correction of the sign).",
            "lemma 3.1, appendix A (corrected)",
            "simulated predictors that break it",
            NONE,
            THEORY,
            partial(measurements.form_broken, "corrected"),
        ),
        Claim(
            "C1b",
            "The inequality with the sign of log epsilon_num as printed holds.",
            "appendix A and equation 17 (rebuilt from a description of the slip)",
            "simulated predictors that break it",
            NONE,
            THEORY,
            partial(measurements.form_broken, "printed"),
        ),
        Claim(
            "C1c",
            "For any xi, every long enough string has a neighbour that is not copied and whose "
            "log-perplexity is within xi.",
            "lemma 3.1",
            "simulated predictors over xi, at the lengths and tolerances that the bound asks for",
            NONE,
            THEORY,
            partial(readings.exact, "C1", "apart_beyond_xi", "xi = 0.05 nats"),
        ),
        Claim(
            "C1d",
            "The same of trained copiers with compact position embeddings (corrected inequality).",
            "lemma 3.1",
            "pairs of trained copiers that break it",
            NONE,
            PROTOCOL,
            measurements.trained_broken,
        ),
        Claim(
            "C2a",
            "With confidence at least 1 - gamma on the copied string, the other's log-perplexity "
            "is below -log(1 - gamma) + epsilon at large n.",
            "proposition 3.2",
            "simulated predictors over it",
            NONE,
            THEORY,
            partial(readings.exact, "C2", "over_certainty_beyond_xi", "epsilon = 0.05 nats"),
        ),
        Claim(
            "C2b",
            "The same of trained copiers.",
            "proposition 3.2",
            "nats over -log(1 - gamma) + epsilon at the largest size",
            Region(high=0.0),
            PROTOCOL,
            measurements.over_certainty,
        ),
        Claim(
            "C3a",
            "If gamma = 0, the log-perplexity of the wrongly copied family tends to 0.",
            "corollary 3.3",
            "log-log slope against n of a predictor certain of alpha, largest over floors",
            Region(-1.000001, -0.999999),
            THEORY,
            partial(readings.exact, "C3", "log_log_slope", "exactly -log(epsilon_num)/n"),
        ),
        Claim(
            "C3b",
            "The log-perplexity of what trained copiers copy wrongly falls with n.",
            "corollary 3.3",
            "log-log slope of the log-perplexity of beta against n",
            NEGATIVE,
            PROTOCOL,
            partial(measurements.copier_slope, "nats_beta"),
        ),
        Claim(
            "C4",
            "For a binary output, sampling at temperature theta is sampling at 1 with another "
            "confidence, in closed form.",
            "remark 3.4",
            "largest error against a softmax at that temperature",
            ROUNDING,
            THEORY,
            partial(readings.exact, "C4", "temperature_map_error", "random logits, theta 0.1-5"),
        ),
        Claim(
            "C5a",
            "Sampling errs on alpha with probability at most n gamma, and fails to write alpha "
            "when shown beta with at most n(gamma + epsilon).",
            "remark 3.5, proposition 3.6",
            "simulated predictors over their bound, exact",
            NONE,
            THEORY,
            partial(readings.exact, "C5", "union_bound_broken", "product over steps"),
        ),
        Claim(
            "C5b",
            "The same of sampled strings.",
            "remark 3.5, proposition 3.6",
            "error rates whose 95 % interval lies over the bound",
            NONE,
            THEORY,
            partial(readings.exact, "C5", "union_bound_broken_sampled", "Monte Carlo"),
        ),
        Claim(
            "C5c",
            "The same of trained copiers.",
            "remark 3.5, proposition 3.6",
            "error probabilities over their bound, exact",
            NONE,
            PROTOCOL,
            measurements.trained_union,
        ),
        Claim(
            "C6a",
            "As the loss on alpha vanishes, the gradient on beta vanishes as n grows.",
            "corollary 3.7",
            "log-log slope of the gradient's norm on beta against n",
            NEGATIVE,
            PROTOCOL,
            partial(measurements.copier_slope, "gradient_beta"),
        ),
        Claim(
            "C6b",
            "Every term of that gradient vanishes, as the proof has it; then n times its norm "
            "falls as well (the flipped bit's term is only divided by n).",
            "proof of corollary 3.7",
            "log-log slope of n times the gradient's norm on beta against n",
            NEGATIVE,
            PROTOCOL,
            partial(measurements.copier_slope, "size_times_gradient_beta"),
        ),
    ]


def section_4() -> list[Claim]:
    return [
        Claim(
            "C8a",
            "At one confidence 1 - gamma, log-perplexity is -a log(1-gamma) - (1-a) log gamma.",
            "equation 10",
            "largest error against predictions one by one, nats",
            ROUNDING,
            THEORY,
            partial(readings.exact, "C8", "log_perplexity_error_nats", "random a and gamma"),
        ),
        Claim(
            "C8b",
            "Confidence higher by Delta needs accuracy a' for equal perplexity.",
            "equation 11",
            "largest difference of the two perplexities, nats",
            ROUNDING,
            THEORY,
            partial(readings.exact, "C8", "equal_perplexity_error_nats", "random bases"),
        ),
        Claim(
            "C9a",
            "At accuracy 1/2, every confidence has surer and more accurate models that perplexity "
            "rejects.",
            "figure 3 left",
            "least a' - a over confidences and shifts",
            POSITIVE,
            THEORY,
            partial(readings.exact, "C9", "least_extra_accuracy", "grid of gamma and Delta"),
        ),
        Claim(
            "C9b",
            "Many shifts need more than 5 points of accuracy (we ask for more than half of them).",
            "figure 3 left",
            "share of shifts",
            MOST,
            THEORY,
            partial(readings.exact, "C9", "share_over_5_points", "grid of gamma and Delta"),
            Published("many", "published", "section 4.2"),
        ),
        Claim(
            "C9c",
            "Many shifts need more than 10 points of accuracy (as above).",
            "figure 3 left",
            "share of shifts",
            MOST,
            THEORY,
            partial(readings.exact, "C9", "share_over_10_points", "grid of gamma and Delta"),
            Published("many", "published", "section 4.2"),
        ),
        Claim(
            "C9d",
            "The accuracy needed tends to 1 as Delta tends to gamma.",
            "figure 3 left",
            "least a' over confidences where 1e-300 of gamma is left",
            Region(0.99, 1.0),
            THEORY,
            partial(readings.exact, "C9", "critical_accuracy_at_end", "slow: 1 - L / 691"),
        ),
        Claim(
            "C10a",
            "At gamma = 0.4 an accurate enough but unsure base can lose accuracy and gain "
            "perplexity by confidence alone.",
            "figure 3 right",
            "least dip of a' below the base's accuracy, over bases that are under-confident",
            POSITIVE,
            THEORY,
            partial(readings.exact, "C10", "least_dip", "bases from a = 0.605 to 1"),
        ),
        Claim(
            "C10b",
            "That free lunch exists exactly where a > 1 - gamma.",
            "derived from equation 11",
            "bases for which the rule is wrong",
            NONE,
            THEORY,
            partial(readings.exact, "C10", "free_lunch_mistaken", "bases from a = 0.5 to 1"),
        ),
    ]
