"""A server on loopback that samples from a small language of its own, or lacks one thing of it.

It obeys `temperature`, `top_p`, `top_k`, `seed`, `n`, `stop` and the limit. A test takes away one
of these, or a part of the replies, by its name.
"""

import json
import math
import random
from contextlib import contextmanager

from tests.inference import hostile

WORDS = 400  # tokens of the language; token k has a probability proportional to 1 / (k + 3)
BASE = [math.log(1 / (k + 3)) for k in range(WORDS)]
TOTAL = math.log(sum(map(math.exp, BASE)))
LOGPROBS = [value - TOTAL for value in BASE]


def word(token):
    """The text of a token."""
    return f" w{token:03d}"


def next_token(noise, body, lacks):
    """Draw a token as the request asks, or as a server does that lacks something."""
    temperature = 0.8 if "greedy" in lacks else body["temperature"]
    if temperature == 0:
        return 0
    keep = 40 if "samplers" in lacks else WORDS
    if body.get("top_k") and "top_k" not in lacks:
        keep = body["top_k"]
    weights = [math.exp(value / temperature) for value in LOGPROBS[:keep]]
    if "samplers" in lacks:
        weights = [each for each in weights if each >= 0.05 * weights[0]]
    if "top_p" not in lacks:
        total, kept = 0.0, []
        for each in weights:
            if total / sum(weights) >= body["top_p"]:
                break
            kept.append(each)
            total += each
        weights = kept
    return noise.choices(range(len(weights)), weights)[0]


def told(token, size):
    """The log-probabilities of a position in the form of a chat."""
    top = [{"token": word(k), "logprob": LOGPROBS[k]} for k in range(size)]
    return {"token": word(token), "logprob": LOGPROBS[token], "top_logprobs": top}


def limit_of(body):
    """The most tokens of a reply."""
    return body.get("max_tokens") or body["max_completion_tokens"]


def choice(body, seed, lacks, index):
    """One sample."""
    # Greedy replies have different words: token 0 at a place has the place in its text.
    noise = random.Random(str(0 if "vary" in lacks else seed))
    tokens = [next_token(noise, body, lacks) for _ in range(limit_of(body))]
    words = [f" g{place:02d}" if t == 0 else word(t) for place, t in enumerate(tokens)]
    turns = body["messages"]
    if turns[-1]["role"] == "assistant":
        after = " 13 14" if "open" not in lacks else turns[-1]["content"][:8]
        words = [after]
    text, reason = "".join(words), "length"
    for stop in body.get("stop", []):
        if stop in text and "stop" not in lacks:
            text, reason = text[: text.index(stop)], "stop"
    found = {"index": index, "finish_reason": reason, "message": {"content": text}}
    if "ends" in lacks:
        found["finish_reason"] = "whim"
    if body.get("logprobs"):
        size = body["top_logprobs"]
        found["logprobs"] = {"content": [told(token, size) for token in tokens]}
        if "logprobs" in lacks:
            found["logprobs"] = None
    return found


def replying(*lacks):
    """A `fault` for `hostile.Server`: replies of a server that lacks what is named."""

    def fault(number, body):
        def answer(handler, body, number):
            if "five" in lacks and body.get("top_logprobs", 0) > 5:
                hostile.status(400, "top_logprobs must be at most 5")(handler, body, number)
                return
            if "n refused" in lacks and body.get("n", 1) > 1:
                hostile.status(400, "n must be 1")(handler, body, number)
                return
            if "stop refused" in lacks and body.get("stop"):
                hostile.status(400, "unknown field stop")(handler, body, number)
                return
            many = 1 if "n" in lacks else body.get("n", 1)
            seed = number if "seed" in lacks else body["seed"]
            found = [choice(body, f"{seed}/{place}", lacks, place) for place in range(many)]
            size = 21 + (number % 2 if "usage varies" in lacks else 0)
            reply = {
                "id": "same" if "ids" in lacks else f"reply-{number}",
                "object": "chat.completion",
                "model": "/models/other.gguf" if "model" in lacks else body["model"],
                "choices": found,
                "usage": {"prompt_tokens": size, "completion_tokens": many * limit_of(body)},
            }
            if "usage" in lacks:
                del reply["usage"]
            handler.reply(200, json.dumps(reply).encode())

        return answer

    return fault


@contextmanager
def serving(*lacks):
    """A running server that lacks what is named."""
    with hostile.serving(replying(*lacks)) as server:
        yield server
