"""A vendor's server with an artificial answerer behind it: it reads prompts and answers in letters.

It refuses what such servers refuse: a last turn of the assistant, `top_k`, and, as a model that
thinks, a temperature, `logprobs` and `stop`.
"""

import math
import re

import numpy as np

from tests.inference import hostile
from workflow_scripts.change_of_mind import answerers

ADVISED = re.compile(r"right on (\d+) % of such questions: (none|[A-D])\.")
SHOWN = re.compile(r"(Your first answer|The first answer of another[^.]*?) was: ([A-Dx]+)\.")
SAYINGS = ("{}", "{}.", "**{}**", "The answer is {}.", "Option {}")
FILLER = ["The", "I", "**", "Option", "Based", "None", "My", "\n"]


class Answerer:
    """Answers to questions of the table by Bayes' rule with the biases of `own`."""

    def __init__(self, questions, own, seed=7):
        self.own = own
        believed = answerers.beliefs(questions, own["evidence"], seed)
        self.believed = dict(zip(questions["text"], believed.values(), strict=True))

    def log_odds(self, turns):
        """The log-probabilities of the options after the turns, as they are drawn."""
        text = next(text for text in self.believed if turns[0]["content"].startswith(text))
        belief, last = self.believed[text], turns[-1]["content"]
        if told := ADVISED.search(last):
            who, shown = SHOWN.search(last).groups()
            letters = "ABCD"
            first = letters.index(turns[1]["content"][-1]) if len(turns) > 1 else -1
            shown = letters.find(shown) if len(shown) == 1 else -1
            advised = letters.find(told[2])
            kept = first if first >= 0 else shown
            cell = {
                "setting": "dialogue" if first >= 0 else "fresh",
                "first": first,
                "shown": shown,
                "speaker": "you" if who.startswith("Your") else "other",
                "advised": advised,
                "accuracy": int(told[1]),
                # Only a shown answer tells agreeing from opposing advice; the weights are equal.
                "advice": "same" if advised == kept else "opposite",
            }
            belief = answerers.second(belief, cell, self.own)
        spoken = self.own["temperature"] * belief
        return spoken - np.logaddexp.reduce(spoken)


def _refused(body, thinks):
    if body["messages"][-1]["role"] == "assistant":
        return "the last message must have role user"
    unknown = {"top_k", "max_tokens"} & set(body)
    unknown |= {"temperature", "top_p", "logprobs", "stop"} & set(body) if thinks else set()
    return f"Unsupported parameter: {sorted(unknown)}" if unknown else None


def behaviour(answerer, thinks=False, listed=20, unread=0.0):
    """From a request's body to what is special in the reply, or, as a text, why it is refused.

    `listed` is the number of alternatives, 0 for no log-probabilities. Of the sampled replies, the
    share `unread` states no letter.
    """

    def answer(body):
        if why := _refused(body, thinks):
            return why
        logs = answerer.log_odds(body["messages"])
        rng = np.random.default_rng(body["seed"])
        letter = "ABCD"[rng.choice(len(logs), p=np.exp(logs))]
        text = SAYINGS[rng.integers(len(SAYINGS))].format(letter)
        if rng.random() < unread:
            text = "Both are plausible."
        choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [_first_token(logs, listed)]} if listed else None
        used = {"prompt_tokens": 9, "completion_tokens": 500 if thinks else 1}
        return {"choices": [choice], "usage": used}

    return answer


def fault(answer):
    """The same for a `hostile.Server`."""

    def of(number, body):
        found = answer(body)
        return hostile.status(400, found) if isinstance(found, str) else hostile.changed(**found)

    return of


def without_http(answer, asked):
    """Replaces `Transport.call` for thousands of requests; their bodies are appended to `asked`."""

    def call(_, url, body, most, read):
        found = answer(body)
        assert isinstance(found, dict), found
        asked.append(body)
        return read(hostile.good(body, len(asked)) | found)

    return call


def _first_token(logs, listed):
    """The alternatives to the first token: 2 % of the probability is not on the letters."""
    found = {"ABCD"[place]: float(value) + math.log(0.98) for place, value in enumerate(logs)}
    found |= {token: math.log(0.01) - place for place, token in enumerate(FILLER)}
    best = sorted(found.items(), key=lambda pair: -pair[1])[:listed]
    top = [{"token": token, "logprob": value} for token, value in best]
    return {"token": best[0][0], "top_logprobs": top}
