"""Seeds: every random stream is derived from the run's seed and the names of its purpose."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed from a parent seed and names; equal names give equal seeds, on any machine."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> "numpy.random.Generator":
    """A NumPy generator (PCG64) on the derived seed."""
    import numpy

    return numpy.random.default_rng(derive(seed, *names))
