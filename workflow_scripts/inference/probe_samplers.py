"""Whether a server draws from all tokens, judged from a few draws and the log-probabilities given.

Samplers that a request does not name may stay on: llama.cpp keeps `top_k` 40 and `min_p` 0.05, and
draws from 26 of SmolLM2's 49,152 tokens at temperature 1 and top_p 1. Nothing in the reply says so.
The replies list the likeliest tokens at each position. A token outside this list is drawn with the
probability that the list leaves, or less often if such samplers are on.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

TOP_K, MIN_P = 40, 0.05  # the usual defaults: llama.cpp, Ollama, LM Studio
SURE_ON, SURE_OFF = 1e-4, 1e-3  # largest error probabilities of the two findings


class Position(NamedTuple):
    """A drawn token's log-probability, and those of the likeliest tokens at its position.

    The likeliest come first. Natural logarithms.
    """

    own: float
    top: tuple[float, ...]


class Judged(NamedTuple):
    """`off` is True, False, or None where the draws do not decide; `seen` is what they show."""

    off: bool | None
    seen: str


def positions(choice: dict[str, Any]) -> list[Position]:
    """The positions of a reply, in the form of a chat or of the older endpoint.

    Empty without log-probabilities. Servers list the drawn token beside the likeliest ones, in
    place of the last of them, or not at all, so the last entry of each list is left out.
    """
    told = choice.get("logprobs")
    if not isinstance(told, dict):
        return []
    try:
        if isinstance(told.get("content"), list):
            pairs = [
                (entry["logprob"], [each["logprob"] for each in entry["top_logprobs"]])
                for entry in told["content"]
            ]
        else:
            pairs = [
                (own, list(top.values()))
                for own, top in zip(told["token_logprobs"], told["top_logprobs"], strict=False)
            ]
        found = [(float(own), sorted(map(float, top), reverse=True)) for own, top in pairs]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return [Position(own, tuple(top[:-1])) for own, top in found if len(top) > 1]


def judge(drawn: Sequence[Position], temperature: float = 1.0) -> Judged:
    """Whether samplers that leave tokens out were off while the positions were drawn.

    They were on if so few tokens lie outside the lists that the probability of it is below
    `SURE_ON`, at all positions or at those where `min_p` would allow none. They were off if there
    are more than `top_k` 40 lets happen, with an error probability below `SURE_OFF`, and a token
    that `min_p` 0.05 forbids. The log-probabilities may be those before or after a `temperature`
    of at least 1, which only makes the tokens outside the lists more frequent.
    """
    if not drawn:
        return Judged(None, "no log-probabilities to judge by")
    size = max(len(each.top) for each in drawn)
    outside = [each.own < each.top[-1] - 1e-6 for each in drawn]
    left = [max(0.0, 1.0 - sum(map(math.exp, each.top))) for each in drawn]
    count = sum(outside)
    seen = (
        f"{count} of {len(drawn)} drawn tokens outside the {size} likeliest, "
        f"{'at least ' if temperature > 1 else ''}{sum(left):.1f} expected"
    )
    steep = [
        place
        for place, each in enumerate(drawn)
        if each.top[-1] < each.top[0] + math.log(MIN_P) - 1e-6
    ]
    few = at_most(count, left)
    few_steep = at_most(sum(outside[place] for place in steep), [left[place] for place in steep])
    if min(few, few_steep) < SURE_ON / 2:
        return Judged(False, seen)
    most = [
        max(_most_left(each, rest, 1.0), _most_left(each, rest, temperature))
        for each, rest in zip(drawn, left, strict=True)
    ]
    many = 1.0 - at_most(count - 1, most)
    rarest = min(each.own - each.top[0] for each in drawn)
    if many < SURE_OFF and rarest < math.log(MIN_P):
        return Judged(True, seen)
    return Judged(None, f"{seen}; too few to decide")


def at_most(count: int, chances: Sequence[float]) -> float:
    """The probability of at most `count` successes in independent trials (Poisson binomial)."""
    ways = [1.0, *[0.0] * len(chances)]
    for number, chance in enumerate(chances, 1):
        for place in range(number, 0, -1):
            ways[place] += chance * (ways[place - 1] - ways[place])
        ways[0] *= 1.0 - chance
    return min(1.0, sum(ways[: count + 1]))


def _most_left(position: Position, left: float, temperature: float) -> float:
    """The largest probability outside the list if only the `TOP_K` likeliest tokens can be drawn.

    The tokens from the end of the list to place `TOP_K` are each at most as likely as the last.
    `left` is their probability at temperature 1, with that of all others.
    """
    weights = [math.exp(value / temperature) for value in position.top]
    more = max(0, TOP_K - len(weights)) * weights[-1]
    if temperature == 1.0:
        more = min(left, more)
    return more / (sum(weights) + more)
