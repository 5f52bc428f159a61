"""The smallest harm that the design of P3 can rule out: a power calculation.

"Unrelated text does not hurt" is a claim of no effect. It can only be supported up to a margin: the
whole 95 % interval of the change in accuracy must lie above minus the margin, at every length of
the text. The margin is the least one with which a model that is not hurt is recognised with
probability `POWER`.

The accuracies of one question with and without the text are means of chains x attempts replies
each. Without harm their difference has a variance of at most 2 x 1/4 / (chains x attempts),
whatever the skill. Differences of skill between questions cancel. So the standard error over Q
questions is at most s = sqrt(1 / (2 Q chains attempts)), and the lower end of the interval lies
above -margin with probability p if margin = s (z(0.975) + z(p)). With L lengths,
p = 1 - (1 - POWER) / L at each length is enough (Bonferroni). Attempts of one chain share their
unrelated text: a model that some texts hurt and others help has a larger variance, and less power.
"""

import math

POWER = 0.8
LARGEST = 0.1  # a larger loss of accuracy counts as harm, however small the design


def no_harm_margin(questions: int, chains: int, attempts: int, lengths: int) -> float:
    """The margin, as a share of attempts, of a design with `lengths` lengths of unrelated text."""
    from scipy import stats

    error = math.sqrt(1 / (2 * questions * chains * attempts))
    each = 1 - (1 - POWER) / lengths
    return float(error * (stats.norm.ppf(0.975) + stats.norm.ppf(each)))
