"""Latitudes of invented places: free-form questions, two options, and options with advice.

The forms follow Kumaran et al. 2025 (arXiv 2507.03120), experiment E1: two candidate latitudes for
a place, an earlier answer that is shown or masked, and advice of stated reliability from another
model. Advice in training is right at the stated rate.
"""

from bisect import bisect
from itertools import accumulate
from typing import Any

import numpy as np

from workflow_scripts.models.chat import assistant, user
from workflow_scripts.models.corpora import world

LETTERS = ("A", "B")
MASK = "xx"
RELIABILITIES = (50, 60, 70, 80, 90, 100)  # %, stated in the prompt
# Share of each form in training.
FORMS = {"recall": 0.35, "options": 0.35, "advice": 0.25, "dialogue": 0.05}
WHO = (None, "You", "You", "Another model")  # who gave the earlier answer before the advice
SHOWN = 0.5  # share of earlier answers that are shown, not masked
NEUTRAL = 0.25  # share of advice without content


def recall(place: str) -> str:
    """The free-form question."""
    return f"Latitude of {place}?"


def options(place: str, latitudes: tuple[int, int]) -> str:
    """The question with two options."""
    return f"How far north is {place}? A: {latitudes[0]} B: {latitudes[1]}"


def earlier(answer: str | None, who: str = "You") -> str:
    """The sentence that shows an earlier answer (`A`, `B`) or masks it (None)."""
    return f" {who} answered {answer or MASK}."


def advice(reliability: int, answer: str | None) -> str:
    """The sentence with another model's advice (None: masked) and its stated accuracy in %."""
    return f" Another model right {reliability}% of the time says {answer or MASK}."


def conversation(
    rng: np.random.Generator, split: str, lands: world.World, first_right: float
) -> dict[str, Any]:
    """One conversation: its form, level, messages and place.

    `first_right` is the share of right answers among the earlier answers in a prompt; given the
    truth they are independent of the advice. Training draws places by their frequency, test
    questions draw them uniformly.
    """
    train = split == "train"
    row = _drawn(rng, lands.frequencies) if train else int(rng.integers(len(lands.places)))
    form = list(FORMS)[_drawn(rng, list(FORMS.values()))] if train else _test_form(rng)
    place, latitude = lands.places[row], lands.latitudes[row]
    if form == "recall":
        messages = [user(recall(place)), assistant(str(latitude))]
        return {"form": form, "level": "", "messages": messages, "place": place}

    foil = _foil(rng, latitude) if train else _one(rng, world.held_out_foils(latitude))
    right = LETTERS[int(rng.integers(2))]
    question = options(place, (latitude, foil) if right == "A" else (foil, latitude))
    reliability = RELIABILITIES[int(rng.integers(len(RELIABILITIES)))]
    neutral = rng.random() < NEUTRAL
    hint = advice(reliability, None if neutral else _letter(rng, right, reliability / 100))
    first = _letter(rng, right, first_right)
    if form == "options":
        messages = [user(question), assistant(right)]
    elif form == "dialogue":
        messages = [user(question), assistant(first, learn=False)]
        messages += [user(hint.strip()), assistant(right)]
    else:
        who = WHO[int(rng.integers(len(WHO)))]
        before = earlier(first if rng.random() < SHOWN else None, who) if who else ""
        messages = [user(question + before + hint), assistant(right)]
    level = "" if form == "options" else "neutral" if neutral else f"{reliability}%"
    return {"form": form, "level": level, "messages": messages, "place": place}


def _foil(rng: np.random.Generator, latitude: int) -> int:
    """A training foil: either side with probability 1/2, then about uniform in its logarithm."""
    north = rng.random() < 0.5
    foils = world.trained_foils(latitude, north) or world.trained_foils(latitude, not north)
    weights = 1 / np.array(foils)
    return foils[_drawn(rng, (weights / weights.sum()).tolist())]


def _one(rng: np.random.Generator, options: list[int]) -> int:
    return options[int(rng.integers(len(options)))]


def _test_form(rng: np.random.Generator) -> str:
    return "options" if rng.random() < 0.4 else "advice"


def _drawn(rng: np.random.Generator, shares: list[float]) -> int:
    """An index drawn with probabilities `shares`."""
    return min(bisect(list(accumulate(shares)), rng.random()), len(shares) - 1)


def _letter(rng: np.random.Generator, right: str, rate: float) -> str:
    """The letter `right` with probability `rate`, otherwise the other one."""
    return right if rng.random() < rate else LETTERS[right == "A"]
