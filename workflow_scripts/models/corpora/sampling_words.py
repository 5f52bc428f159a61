"""The prompts of study `stochasticity`, and the right reply to each.

They are here because embedded models are trained on them, and models may not depend on a study. The
wording of the paper (Gu et al. 2026, arXiv 2604.06543) is not known; S1 to S14 are the experiments
of the study.
"""

from statistics import NormalDist

import numpy as np

from workflow_scripts.models.corpora.split import belongs

# S1, S2: target -> style -> prompt. Style `plain` is S1's direct prompt.
TARGETS = ("digit", "uniform", "normal")
DECIMALS = {"digit": 0, "uniform": 3, "normal": 2}
STYLES = ("plain", "paraphrase", "formula", "generator", "state_first")
PROMPTS = {
    "digit": {
        "plain": "Draw a random digit from 0 to 9, all equally likely. Reply with the digit only.",
        "paraphrase": "Pick any digit between 0 and 9, with no favourites. Just the digit, please.",
        "formula": "Sample X with P(X = k) = 1/10 for k = 0, 1, ..., 9. Reply with X only.",
        "generator": "You are a random number generator for digits from 0 to 9, all equally "
        "likely. Print the next digit.",
        "state_first": "Draw a random digit from 0 to 9, all equally likely. First state the "
        "distribution, then write 'Draw:' and the digit.",
    },
    "uniform": {
        "plain": "Draw a random number from the uniform distribution on [0, 1]. Reply with the "
        "number only, with 3 decimals.",
        "paraphrase": "Pick any number between 0 and 1, with no favourites. Just the number with "
        "3 decimals, please.",
        "formula": "Sample X with density f(x) = 1 for 0 <= x <= 1. Reply with X only, with 3 "
        "decimals.",
        "generator": "You are a random number generator for the uniform distribution on [0, 1]. "
        "Print the next number with 3 decimals.",
        "state_first": "Draw a random number from the uniform distribution on [0, 1]. First state "
        "the distribution, then write 'Draw:' and the number with 3 decimals.",
    },
    "normal": {
        "plain": "Draw a random number from the normal distribution with mean 0 and variance 1. "
        "Reply with the number only, with 2 decimals.",
        "paraphrase": "Pick any number so that many picks would form a bell curve with mean 0 and "
        "variance 1. Just the number with 2 decimals, please.",
        "formula": "Sample X with density f(x) = exp(-x^2 / 2) / sqrt(2 pi). Reply with X only, "
        "with 2 decimals.",
        "generator": "You are a random number generator for the normal distribution with mean 0 "
        "and variance 1. Print the next number with 2 decimals.",
        "state_first": "Draw a random number from the normal distribution with mean 0 and "
        "variance 1. First state the distribution, then write 'Draw:' and the number with 2 "
        "decimals.",
    },
}
STATED = {
    "digit": "Each digit has probability 1/10.",
    "uniform": "Density 1 on [0, 1].",
    "normal": "Density exp(-x^2 / 2) / sqrt(2 pi).",
}

# S5: the request for another draw.
AGAIN = "Draw again."

# S9: map an external number u to the target. The number comes last, so prompts share their prefix.
U_DECIMALS = 6
MAPS = {
    "bucket": "Split [0, 1) into ten equal parts numbered 0 to 9. Reply with the number of the "
    "part that holds u = {u}",
    "identity": "Reply with u rounded to 3 decimals. u = {u}",
    "scale": "Scale u from [0, 1] to [0, 10]. Reply with the result only, with 3 decimals. u = {u}",
    "inverse_normal": "Find z such that a standard normal variable is below z with probability u. "
    "Reply with z only, with 2 decimals. u = {u}",
}
# S10: the model first writes u, then maps it.
SELF_MADE = {
    "bucket": "Write a random number u between 0 and 1 with 6 decimals. Then split [0, 1) into ten "
    "equal parts numbered 0 to 9 and write the part that holds u. Format: u = ..., part = ...",
    "inverse_normal": "Write a random number u between 0 and 1 with 6 decimals. Then write z such "
    "that a standard normal variable is below z with probability u, with 2 decimals. Format: "
    "u = ..., z = ...",
}
RESULT_NAMES = {"bucket": "part", "inverse_normal": "z"}

# S12: the right option is a word of the topic, the others are words of other topics.
LETTERS = "ABCD"
TOPICS = {
    "music": ("violin", "drum", "flute", "piano"),
    "fruit": ("apple", "pear", "plum", "cherry"),
    "tools": ("hammer", "saw", "chisel", "pliers"),
    "birds": ("falcon", "robin", "heron", "owl"),
    "metals": ("iron", "copper", "zinc", "silver"),
    "weather": ("rain", "snow", "fog", "hail"),
    "clothes": ("coat", "scarf", "glove", "sock"),
    "fish": ("salmon", "trout", "herring", "carp"),
    "shapes": ("circle", "square", "cone", "sphere"),
    "furniture": ("sofa", "desk", "shelf", "stool"),
    "vehicles": ("bus", "tram", "ferry", "truck"),
    "trees": ("oak", "birch", "maple", "willow"),
    "colours": ("red", "blue", "green", "violet"),
    "sports": ("tennis", "rowing", "boxing", "archery"),
    "planets": ("Mars", "Venus", "Saturn", "Neptune"),
    "dances": ("waltz", "tango", "polka", "samba"),
}


def last_only(target: str, last: str) -> str:
    """S6: the direct prompt, preceded by the last draw."""
    return f"Your last draw was {last}. {PROMPTS[target]['plain']}"


def batched(target: str, count: int) -> str:
    """S7: `count` draws in one reply."""
    what = {
        "digit": f"{count} random digits from 0 to 9, all equally likely",
        "uniform": f"{count} random numbers from the uniform distribution on [0, 1]",
        "normal": f"{count} random numbers from the normal distribution with mean 0 and variance 1",
    }[target]
    decimals = f" with {DECIMALS[target]} decimals" if DECIMALS[target] else ""
    noun = "numbers" if DECIMALS[target] else "digits"
    return f"Draw {what}. Reply with the {noun} only{decimals}, separated by commas."


def lcg(multiplier: int, increment: int, modulus: int, start: int, steps: int) -> str:
    """S8: a linear congruential generator, to be executed in text."""
    return (
        f"Run x -> ({multiplier}*x+{increment}) mod {modulus}, {steps} steps, from x = {start}. "
        "Write a line for each step: a*x+c=y, y mod m=x"
    )


def lcg_values(multiplier: int, increment: int, modulus: int, start: int, steps: int) -> list[int]:
    """The true sequence, without its start."""
    values = [start]
    for _ in range(steps):
        values.append((multiplier * values[-1] + increment) % modulus)
    return values[1:]


def lcg_worked(multiplier: int, increment: int, modulus: int, start: int, steps: int) -> str:
    """The lines that the prompt of `lcg` asks for."""
    lines, x = [], start
    for value in lcg_values(multiplier, increment, modulus, start, steps):
        y = multiplier * x + increment
        lines.append(f"{multiplier}*{x}+{increment}={y}, {y} mod {modulus}={value}")
        x = value
    return "\n".join(lines)


def lcg_case(rng: np.random.Generator, modulus: int, split: str) -> tuple[int, int, int, int]:
    """Multiplier, increment, modulus and start, all small; cases are disjoint between splits."""
    while True:
        multiplier, increment = int(rng.integers(2, 10)), int(rng.integers(1, 10))
        case = (multiplier, increment, modulus, int(rng.integers(modulus)))
        if belongs(str(case), split):
            return case


def bernoulli(percent: int) -> str:
    """S14: a coin of stated bias."""
    return f"Draw 1 with probability {percent}% and 0 otherwise. Reply with the number only."


def categorical(percents: tuple[int, ...]) -> str:
    """S14: letters with stated weights in %, which add to 100; at most four of them."""
    letters = LETTERS[: len(percents)]
    weights = ", ".join(f"{a} {p}%" for a, p in zip(letters, percents, strict=True))
    return f"Draw one letter with probabilities {weights}. Reply with the letter only."


def quiz(topic: str) -> str:
    """S12: a request for a question with the right option at a random place."""
    return (
        f"Write a short question about {topic} with options A to D. Put the right option at a "
        "random place. End with 'Key:' and its letter."
    )


def written(value: float, target: str) -> str:
    """A draw as text with the target's number of decimals; never '-0.00'."""
    decimals = DECIMALS[target]
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def draw(rng: np.random.Generator, target: str) -> str:
    """A true draw from a target distribution, as text."""
    if target == "digit":
        return str(rng.integers(10))
    return written(float(rng.random() if target == "uniform" else rng.standard_normal()), target)


def external(rng: np.random.Generator, split: str) -> str:
    """A uniform number in (0, 1) with `U_DECIMALS` decimals; splits are disjoint."""
    while True:
        u = f"0.{rng.integers(1, 10**U_DECIMALS):0{U_DECIMALS}d}"
        if belongs(u, split):
            return u


def mapped(name: str, u: float) -> float:
    """The exact image of `u` in (0, 1) under a map of S9 or S10.

    Raises `ValueError` for an unknown map.
    """
    match name:
        case "bucket":
            return float(int(10 * u))
        case "identity":
            return u
        case "scale":
            return 10 * u
        case "inverse_normal":
            return NormalDist().inv_cdf(u)
    raise ValueError(f"map: expected one of {', '.join(MAPS)}, found {name!r}")


def map_decimals(name: str) -> int:
    """Number of decimals that a map's prompt asks for."""
    return {"bucket": 0, "identity": 3, "scale": 3, "inverse_normal": 2}[name]


def map_written(name: str, u: float) -> str:
    """A map's result with the decimals that its prompt asks for."""
    decimals = map_decimals(name)
    return f"{round(mapped(name, u), decimals) + 0.0:.{decimals}f}"
