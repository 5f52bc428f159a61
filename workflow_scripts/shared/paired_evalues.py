"""Which of two ways is right more often on the same questions: e-values that hold at any time.

The common ideas are those of `evalues.py`. Counts are those of questions: on `first_only` of them
only the first way was right, on `second_only` only the second, on the rest both or neither.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workflow_scripts.shared.evalues import LEVEL, Plan, deciding
from workflow_scripts.shared.statistics import last_passing

FIRST, SECOND, EQUAL = "first", "second", "equal"
TINY = 1e-300  # in place of probability 0


@dataclass(frozen=True)
class Paired:
    """Which of two ways is right more often on the same questions, or whether neither is, by much.

    Only the questions count on which exactly one is right (McNemar 1947). `EQUAL` means that the
    accuracies differ by less than `margin`. Whatever the accuracies, a wrong answer is ever given
    with a probability of at most `level`: each of three answers takes half of it, and at most two
    are wrong at once.
    """

    margin: float
    level: float = LEVEL

    def log_e(self, first_only: int, second_only: int, n: int) -> dict[str, float]:
        """Natural logarithms of the e-values for each answer, from n questions so far."""
        same = n - first_only - second_only
        sides = {
            FIRST: _log_side(first_only, second_only),
            SECOND: _log_side(second_only, first_only),
        }
        apart = max(
            _log_apart(first_only, second_only, same, self.margin),
            _log_apart(second_only, first_only, same, self.margin),
        )
        return sides | {EQUAL: _log_numerator(first_only, second_only, same) - apart}

    def decision(self, first_only: int, second_only: int, n: int) -> str | None:
        """The answer with the largest e-value, once it is large enough; else None."""
        found = self.log_e(first_only, second_only, n)
        answer = max(found, key=lambda name: found[name])
        return answer if found[answer] >= self.border else None

    @property
    def border(self) -> float:
        """The logarithm that an e-value must reach to decide."""
        return math.log(2 / self.level)

    def share(self, first_only: int, second_only: int) -> tuple[float, float]:
        """Ends of an interval at all times: the first's share of the questions that one way solves.

        It misses the truth at any time with a probability of at most `level`, and lies on one side
        of a half as soon as the e-value for that side decides.
        """
        counts = first_only, second_only
        low = last_passing(lambda p: _log_side(*counts, p) >= self.border, 0.0, 1.0)
        other = last_passing(lambda p: _log_side(*counts[::-1], p) >= self.border, 0.0, 1.0)
        return low, 1 - other

    def difference(self, first_only: int, second_only: int, n: int) -> tuple[float, float]:
        """Ends of an interval at all times: the first way's accuracy less that of the second.

        It misses the truth at any time with a probability of at most `level`, and lies within the
        margin as soon as the e-value for `EQUAL` decides.
        """
        same = n - first_only - second_only
        top = _log_numerator(first_only, second_only, same)

        def below(more: int, less: int) -> float:
            """The largest d of which it is known that the accuracies differ by more."""
            return last_passing(
                lambda d: top - _log_apart(less, more, same, -d) >= self.border, -1.0, 1.0
            )

        return below(first_only, second_only), -below(second_only, first_only)

    def plan(
        self,
        differences: Sequence[float],
        discordant: float,
        step: int,
        most: int,
        power: float,
        seed: int,
    ) -> list[Plan]:
        """How many questions decide in a share `power` of runs, at true differences of accuracy.

        On a share `discordant` of the questions exactly one way is right, or on as many as the
        difference takes. The counts are looked at every `step` questions, `most` at most.
        """

        def decide(counts: np.ndarray) -> str | None:
            first_only, second_only, _ = map(int, counts)
            return self.decision(first_only, second_only, int(counts.sum()))

        found = []
        for d in differences:
            share = max(discordant, abs(d))
            truth = np.array([(share + d) / 2, (share - d) / 2, 1 - share])
            decides = EQUAL if abs(d) < self.margin else FIRST if d > 0 else SECOND
            found.append(Plan(d, decides, deciding(decide, truth, step, most, power, seed)))
        return found


def _log_side(hits: int, misses: int, border: float = 0.5) -> float:
    """Against "at most this share of the discordant questions": the mixture over larger shares."""
    from scipy.special import betainc

    larger = betainc(misses + 0.5, hits + 0.5, 1 - border) / betainc(0.5, 0.5, 1 - border)
    if not larger:
        return -math.inf
    least = hits * math.log(border) + misses * math.log(1 - border)
    return math.log(larger) + _log_beta(hits, misses) - least


def _log_beta(hits: int, misses: int) -> float:
    """Log-likelihood of a sequence of two kinds under the mixture by Jeffreys's prior."""
    top = math.lgamma(hits + 0.5) + math.lgamma(misses + 0.5) - math.lgamma(hits + misses + 1)
    return top - math.log(math.pi)


def _log_numerator(first_only: int, second_only: int, same: int) -> float:
    """Half of it ways that are equally accurate, half all ways, by Jeffreys's priors."""
    discordant = first_only + second_only
    tied = _log_beta(discordant, same) - discordant * math.log(2)
    every = sum(math.lgamma(c + 0.5) for c in (first_only, second_only, same))
    every += math.lgamma(1.5) - math.lgamma(discordant + same + 1.5) - 3 * math.lgamma(0.5)
    top = max(tied, every)
    return top + math.log((math.exp(tied - top) + math.exp(every - top)) / 2)


def _log_apart(more: int, less: int, same: int, margin: float) -> float:
    """The largest log-likelihood where the first is right at least `margin` more often.

    A margin below 0 allows the second to be right more often, by as much.
    """
    n = more + less + same
    if n == 0:
        return 0.0
    p, q = more / n, less / n
    if p - q < margin:
        # At the border p = q + margin, the derivative in q is 0 where 2 n q^2 - b q - c = 0.
        b = (more + less) * (1 - margin) - 2 * margin * (less + same)
        c = less * margin * (1 - margin)
        q = (b + math.sqrt(max(0.0, b * b + 8 * n * c))) / (4 * n)
        p = q + margin
    pairs = zip((more, less, same), (p, q, 1 - p - q), strict=True)
    return sum(count * math.log(max(share, TINY)) for count, share in pairs if count)
