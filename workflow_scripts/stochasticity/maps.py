"""True results of maps from a uniform number to a target (S9, S10) and of small generators (S8).

The wording of the maps that embedded models are trained on is in the training corpus. Box-Muller
and xorshift, also named in the experiment sheet, are for real models only.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.models.corpora import sampling_words as words

# Distribution of the image of a uniform number.
TARGETS = {
    "bucket": "digit",
    "identity": "uniform",
    "scale": "uniform10",
    "inverse_normal": "normal",
    "box_muller": "normal",
}
BOX_MULLER = (
    "Compute z = sqrt(-2 ln(u)) cos(2 pi v). Reply with z only, with 2 decimals. u = {u}, v = {v}"
)
SHIFTS = (3, 5, 1)  # of the xorshift generator: left, right, left


def given(rng: np.random.Generator, name: str) -> str:
    """The numbers given in a prompt: one, or two for Box-Muller, separated by a comma.

    The embedded models are not trained on any of them.
    """
    count = 2 if name == "box_muller" else 1
    return ",".join(words.external(rng, "held_out") for _ in range(count))


def prompt(name: str, numbers: str) -> str:
    """The prompt that asks for the image of the given numbers."""
    if name == "box_muller":
        u, v = numbers.split(",")
        return BOX_MULLER.format(u=u, v=v)
    return words.MAPS[name].format(u=numbers)


def truth(name: str, numbers: str) -> float:
    """The exact image of the given numbers, each in (0, 1)."""
    if name == "box_muller":
        u, v = map(float, numbers.split(","))
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
    return words.mapped(name, float(numbers))


def decimals(name: str) -> int:
    """Number of decimals that a map's prompt requests."""
    return 2 if name == "box_muller" else words.map_decimals(name)


def inside(given: str) -> bool:
    """Whether all the given numbers lie in (0, 1), where the maps are defined."""
    return all(0 < float(part) < 1 for part in given.split(","))


def right_image(name: str, results: ArrayLike, images: ArrayLike) -> NDArray:
    """Whether results are the true images, rounded (or truncated) to the requested decimals.

    `results` and `images` have shapes that broadcast. Exact for digits; within one unit in the last
    place otherwise.
    """
    error = np.abs(np.asarray(results, dtype=float) - np.asarray(images, dtype=float))
    return error == 0 if name == "bucket" else error < 1.001 * 10.0 ** -decimals(name)


def xorshift_prompt(bits: int, start: int, steps: int) -> str:
    """S8: the prompt to run a xorshift generator on `bits` bits in text (Marsaglia 2003)."""
    a, b, c = SHIFTS
    return (
        f"Run this generator {steps} steps from x = {start}, where x has {bits} bits: "
        f"x ^= x << {a}; x ^= x >> {b}; x ^= x << {c}; keep {bits} bits after each line. "
        "Write a line for each step that ends with: x = value"
    )


def xorshift_values(bits: int, start: int, steps: int) -> list[int]:
    """The true outputs of the xorshift generator, without the start."""
    a, b, c = SHIFTS
    mask, x, values = 2**bits - 1, start, []
    for _ in range(steps):
        x = (x ^ x << a) & mask
        x ^= x >> b
        x = (x ^ x << c) & mask
        values.append(x)
    return values


def sequence(style: str, case: list[int], steps: int) -> list[int]:
    """The true outputs of a generator of S8 (`lcg-M`: multiplier, increment, modulus, start)."""
    if style.startswith("lcg-"):
        multiplier, increment, modulus, start = case
        return words.lcg_values(multiplier, increment, modulus, start, steps)
    bits, start = case
    return xorshift_values(bits, start, steps)


def worked(style: str, case: list[int], steps: int) -> str:
    """A bare right reply to a generator's prompt: one worked line per step, nothing else."""
    if style.startswith("lcg-"):
        multiplier, increment, modulus, start = case
        return words.lcg_worked(multiplier, increment, modulus, start, steps)
    left, right, last = SHIFTS
    line = f"x << {left} = {{x}}, x = {{x}}, x >> {right} = {{x}}, x = {{x}}, x << {last} = {{x}}, "
    return "\n".join(f"{line}x = {{x}}".format(x=x) for x in sequence(style, case, steps))
