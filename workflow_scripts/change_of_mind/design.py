"""The four nested regressions as design matrices of one shape, with signs in the design.

Three heads share the weights of first confidence and of the shown flag (inferred from the paper's
tables, which print the same two numbers in each): the confidence in the finally chosen option
(Beta), the change of mind (Bernoulli) and the confidence in the first-chosen option (Beta).
Weights are magnitudes, so a column carries the sign with which Bayes' rule would count it.

Every variant has the same columns; those that it lacks are 0, which leaves their weights at the
prior, as the paper's table leaves the weight of neutral advice.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import resample
from workflow_scripts.change_of_mind.confidence import LEAST, Floats, log_odds

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
BASE = 50  # %: the accuracy that counts as 0; 100 % counts as 1 (assumed)


class Data(NamedTuple):
    """Trials for the regressions; `x` (heads, n, columns), the others (n,)."""

    x: Floats
    final: Floats  # confidence in the finally chosen option
    changed: Floats  # 0 or 1
    first: Floats  # final confidence in the first-chosen option


def data(given: resample.Sample, seen: resample.Seen, variant: str) -> Data:
    """The design of a variant: A prior only; B and advice; C shown flag, one weight; D all."""
    prior = log_odds(seen.before)
    shown = (given.display == given.displays.index("shown")).astype(float)
    composite = (given.accuracy - BASE) / (100 - BASE)
    advice = {
        name: (given.advice == given.advices.index(name)) * composite
        for name in ("same", "opposite")
    }
    changed = (given.final != given.first).astype(float)
    x = np.zeros((len(HEADS), len(prior), len(COLUMNS)))
    # How first confidence, display and agreeing advice count for each head.
    signs = (1 - 2 * changed, -np.ones_like(prior), np.ones_like(prior))
    for number, (head, sign) in enumerate(zip(HEADS, signs, strict=True)):

        def put(name: str, values: Floats, where: str = head, at: int = number) -> None:
            x[at, :, COLUMNS.index((where, name))] = values

        put("prior", sign * prior, "shared")
        if variant in "CD":
            put("shown", sign * shown, "shared")
        same, opposite = sign * advice["same"], -sign * advice["opposite"]
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
    return Data(x, _inside(seen.final), changed, _inside(seen.after))


def prepared(
    trials: pd.DataFrame, experiment: str, questions: int, temperature: float
) -> tuple[resample.Sample, resample.Seen]:
    """The first `questions` questions of an experiment, with confidences at a temperature."""
    rows = trials[trials["experiment"] == experiment]
    chosen = list(dict.fromkeys(rows["question"]))[:questions]
    given = resample.sample(rows[rows["question"].isin(chosen)])
    return given, resample.seen(given, temperature)


def _inside(confidence: Floats) -> Floats:
    return np.clip(confidence, LEAST, 1 - LEAST)
