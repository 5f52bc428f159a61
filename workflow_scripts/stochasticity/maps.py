"""From given random numbers to a target (S9, S10), and small generators (S8): the true results.

The maps that embedded models are trained on have their words in the training corpus; Box-Muller
and xorshift, which the sheet names too, are for real models only.
"""

import math

import numpy as np

from workflow_scripts.models.corpora import sampling_words as words

# What the image of a uniform number is distributed as.
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
    """The numbers that a prompt hands over: one, or two for Box-Muller, comma between.

    They are none of those that the embedded models are trained on.
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
    """Decimals that a map's prompt asks for."""
    return 2 if name == "box_muller" else words.map_decimals(name)


def right(name: str, numbers: str, result: float) -> bool:
    """Whether a result is the true image, rounded (or cut) to the decimals asked for.

    Exact for the digit; within one unit in the last place otherwise.
    """
    if name == "bucket":
        return result == truth(name, numbers)
    return abs(result - truth(name, numbers)) < 1.001 * 10.0 ** -decimals(name)


def xorshift_prompt(bits: int, start: int, steps: int) -> str:
    """S8: a xorshift generator on `bits` bits, to be run in text."""
    a, b, c = SHIFTS
    return (
        f"Run this generator {steps} steps from x = {start}, where x has {bits} bits: "
        f"x ^= x << {a}; x ^= x >> {b}; x ^= x << {c}; keep {bits} bits after each line. "
        "Write a line for each step that ends with: x = value"
    )


def xorshift_values(bits: int, start: int, steps: int) -> list[int]:
    """The true sequence, without its start."""
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
