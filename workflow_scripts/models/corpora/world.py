"""A synthetic world: invented places, their latitudes, and how often each is spoken of."""

from functools import cache
from typing import NamedTuple

import numpy as np

from workflow_scripts.shared.fingerprint import ROOT

NAMES = ROOT / "resources" / "places.txt"
SOUTHMOST, NORTHMOST = 8, 60  # degrees north; every latitude and every foil lies between them
OFFSET = 0.5  # a foil lies this share of the true latitude away (Kumaran et al. 2025, E1)


class World(NamedTuple):
    """Places, most spoken of first: their names, latitudes (whole degrees north), frequencies."""

    places: list[str]
    latitudes: list[int]
    frequencies: list[float]  # sum to 1


def make(rng: np.random.Generator, count: int, zipf_exponent: float) -> World:
    """A world of `count` places; frequencies fall as 1 / rank ** zipf_exponent.

    Latitudes are uniform in their logarithm, so that of two options in a given ratio neither is
    the likelier one before the place is known. Raises `ValueError` for more places than names.
    """
    names = NAMES.read_text(encoding="utf-8").split()
    if count > len(names):
        raise ValueError(f"{NAMES.name} has {len(names)} names; {count} places were asked for")
    logs = rng.uniform(np.log(SOUTHMOST), np.log(NORTHMOST), count)
    weights = np.arange(1, count + 1) ** -zipf_exponent
    return World(
        places=[names[int(i)] for i in rng.permutation(len(names))[:count]],
        latitudes=[round(float(np.exp(x))) for x in logs],
        frequencies=(weights / weights.sum()).tolist(),
    )


@cache
def held_out_foils(latitude: int) -> list[int]:
    """The foils of test questions: the latitude 50 % up or down, as far as the map reaches."""
    both = (round(latitude * (1 + OFFSET)), round(latitude * (1 - OFFSET)))
    return [foil for foil in both if SOUTHMOST <= foil <= NORTHMOST]


@cache
def trained_foils(latitude: int, north: bool) -> list[int]:
    """Foils of training questions on one side: a factor 1.25 to 2.5 away, on the map.

    A range of factors, and not one, since options in a fixed ratio would give the answer away:
    50 % up and 50 % down leave different ratios between the larger and the smaller option. For
    the same reason pairs that a test question could show are left out whichever of the two is
    right. Empty where the map ends too soon.
    """
    return [
        foil
        for foil in range(SOUTHMOST, NORTHMOST + 1)
        if (foil > latitude) == north
        and 1.25 <= max(foil / latitude, latitude / foil) <= 2.5
        and foil not in held_out_foils(latitude)
        and latitude not in held_out_foils(foil)
    ]
