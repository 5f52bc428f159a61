"""The four nested regressions as design matrices of one shape, with the signs in the design.

Three heads share the weights of first confidence and of the shown flag (inferred from the paper's
tables, which give the same two numbers for each): the confidence in the finally chosen option
(Beta), the change of mind (Bernoulli) and the confidence in the first-chosen option (Beta). Where
choices were sampled, the Beta heads become beta-binomial ones of the counts.
Weights are magnitudes: a column carries the sign that Bayes' rule gives it.

Every variant has the same columns. Those that it does not use are 0, so their weights stay at the
prior, like the weight of neutral advice in the paper's table.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import resample
from workflow_scripts.change_of_mind.confidence import Floats, clipped

VARIANTS = ("A", "B", "C", "D")
HEADS = ("final_confidence_finally_chosen", "change_of_mind", "final_confidence_initially_chosen")
SHARED = ("prior", "shown")
OWN = (  # weights of each head, named as in the published table
    ("opposite_advice", "same_advice", "neutral_advice"),
    ("opposite_advice", "same_advice", "neutral_advice"),
    (
        "opposite_advice_shown",
        "opposite_advice_hidden",
        "same_advice_shown",
        "same_advice_hidden",
        "neutral_advice",
    ),
)
COLUMNS = [("shared", name) for name in SHARED]
COLUMNS += [(head, name) for head, names in zip(HEADS, OWN, strict=True) for name in names]
BASE = 50  # %: the accuracy coded as 0; 100 % is coded as 1 (assumed)


class Data(NamedTuple):
    """Trials for the regressions; `x` has shape (heads, n, columns), the others (n,).

    Sampled choices are counted: `final` and `first` are then numbers among `draws` draws. Of
    confidences, `draws` is 0.
    """

    x: Floats
    final: Floats  # confidence in the finally chosen option
    changed: Floats  # 0 or 1
    first: Floats  # final confidence in the first-chosen option
    draws: Floats

    @property
    def observed(self) -> Floats:
        """Final confidence in the first-chosen option, or the share of draws of it."""
        return np.where(self.draws > 0, self.first / np.maximum(self.draws, 1), self.first)


def data(given: resample.Sample, seen: resample.Seen, variant: str) -> Data:
    """The design of a variant, arrays over the n trials of `given`.

    A: first confidence; B: and advice; C: and the shown flag, one weight for all advice; D: and
    separate weights for same and opposite advice.
    """
    prior = seen.odds_before
    shown = (given.display == given.displays.index("shown")).astype(float)
    composite = (given.accuracy - BASE) / (100 - BASE)

    def advised(name: str) -> Floats:
        return (given.advice == given.advices.index(name)) * composite

    x = np.zeros((len(HEADS), len(prior), len(COLUMNS)))
    # The sign of first confidence, display and agreeing advice for each head.
    signs = (1 - 2 * given.changed, -np.ones_like(prior), np.ones_like(prior))
    for number, (head, sign) in enumerate(zip(HEADS, signs, strict=True)):

        def put(name: str, values: Floats, where: str = head, at: int = number) -> None:
            x[at, :, COLUMNS.index((where, name))] = values

        put("prior", sign * prior, "shared")
        if variant in "CD":
            put("shown", sign * shown, "shared")
        same, opposite = sign * advised("same"), -sign * advised("opposite")
        apart = head == HEADS[2]
        first_name = "opposite_advice_shown" if apart else "opposite_advice"
        if variant == "C":
            put(first_name, same + opposite)
        elif variant == "B" or (variant == "D" and not apart):
            put(first_name, opposite)
            put("same_advice_shown" if apart else "same_advice", same)
        elif variant == "D":
            put("opposite_advice_shown", opposite * shown)
            put("opposite_advice_hidden", opposite * (1 - shown))
            put("same_advice_shown", same * shown)
            put("same_advice_hidden", same * (1 - shown))
    if given.final_counts is None:
        none = np.zeros_like(prior)
        return Data(x, clipped(seen.final), given.changed, clipped(seen.after), none)
    rows, counts = np.arange(len(prior)), np.maximum(given.final_counts, 0).astype(float)
    final, first = counts[rows, given.final], counts[rows, given.first]
    return Data(x, final, given.changed, first, counts.sum(axis=1))


def prepared(
    trials: pd.DataFrame, experiment: str, questions: int, temperature: float
) -> tuple[resample.Sample, resample.Seen]:
    """Trials of the first `questions` questions of an experiment, with confidences, shape (n,).

    Sampled choices are regressed as they are counted, so their first confidences are at temperature
    1.
    """
    rows = trials[trials["experiment"] == experiment]
    chosen = list(dict.fromkeys(rows["question"]))[:questions]
    given = resample.sample(rows[rows["question"].isin(chosen)])
    return given, resample.seen(given, temperature if given.first_counts is None else 1.0)
