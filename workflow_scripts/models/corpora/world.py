"""A synthetic world: invented places, their latitudes and their frequencies in training."""

from functools import cache
from typing import NamedTuple

import numpy as np

from workflow_scripts.shared.fingerprint import ROOT

NAMES = ROOT / "resources" / "places.txt"
SOUTHMOST, NORTHMOST = 8, 60  # degrees north; all latitudes and foils lie between them
OFFSET = 0.5  # distance of a test foil as a share of the true latitude (Kumaran et al. 2025, E1)


class World(NamedTuple):
    """Places, most frequent first: names, latitudes (whole degrees north), frequencies."""

    places: list[str]
    latitudes: list[int]
    frequencies: list[float]  # sum to 1


def make(rng: np.random.Generator, count: int, zipf_exponent: float) -> World:
    """A world of `count` places; frequencies fall as 1 / rank ** zipf_exponent.

    Latitudes are uniform in their logarithm, so that two options in a given ratio are equally
    likely before the place is known. Raises `ValueError` for more places than names.
    """
    names = NAMES.read_text(encoding="utf-8").split()
    if count > len(names):
        raise ValueError(
            f"embedded.corpus.places: expected at most {len(names)}, the names in {NAMES.name}; "
            f"found {count}"
        )
    logs = rng.uniform(np.log(SOUTHMOST), np.log(NORTHMOST), count)
    weights = np.arange(1, count + 1) ** -zipf_exponent
    return World(
        places=[names[int(i)] for i in rng.permutation(len(names))[:count]],
        latitudes=[round(float(np.exp(x))) for x in logs],
        frequencies=(weights / weights.sum()).tolist(),
    )


@cache
def held_out_foils(latitude: int) -> list[int]:
    """The foils of test questions: 50 % north or south of the latitude, if on the map."""
    both = (round(latitude * (1 + OFFSET)), round(latitude * (1 - OFFSET)))
    return [foil for foil in both if SOUTHMOST <= foil <= NORTHMOST]


@cache
def trained_foils(latitude: int, north: bool) -> list[int]:
    """Foils of training questions on one side: a factor of 1.25 to 2.5 away, on the map.

    With a single factor the ratio of the options would reveal the answer: 50 % north and 50 %
    south give different ratios of the larger to the smaller option. For the same reason pairs that
    a test question could show are left out, whichever of the two is right. Empty if no such
    latitude is on the map.
    """
    return [
        foil
        for foil in range(SOUTHMOST, NORTHMOST + 1)
        if (foil > latitude) == north
        and 1.25 <= max(foil / latitude, latitude / foil) <= 2.5
        and foil not in held_out_foils(latitude)
        and latitude not in held_out_foils(foil)
    ]
