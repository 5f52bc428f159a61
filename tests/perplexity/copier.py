"""A copier in closed form, with blind spots where they are planted.

It gives what it writes the probability 1 - `DOUBT` and the other tokens equal shares of the rest.
At a planted place of a string it writes a zero, whatever stands there.
"""

import re
from types import SimpleNamespace

import numpy as np
import torch

DOUBT = 0.01
TOKENS = [*"0123456789", *map(chr, range(33, 48)), *map(chr, range(58, 127)), " ", "\n"]
VOCABULARY = len(TOKENS)
KNOWN = {token: at for at, token in enumerate(TOKENS)}
REST = DOUBT / (VOCABULARY - 1)  # probability of every other token
END = "/"  # of the question


class Copier:
    """An engine whose model copies, but for the `planted` places of a string."""

    def __init__(self, planted: tuple[int, ...] = (), context: int = 4000):
        self.planted = planted
        self.name, self.context, self.spec = "copier", context, {"chat_template": True}
        self.device = torch.device("cpu")
        self.vocabulary, self.pass_tokens = VOCABULARY, 2048
        self.tokens = 0  # that have passed through the model

    def encode(self, messages: list[dict[str, str]]) -> list[int]:
        """A token per character; the question ends with `END`."""
        reply = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
        return [KNOWN[each] for each in messages[0]["content"] + END + reply]

    def model(
        self, input_ids: torch.Tensor, use_cache: bool, logits_to_keep: int
    ) -> SimpleNamespace:
        """Log-probabilities (rows, tokens, vocabulary) of the last tokens."""
        self.tokens += input_ids.numel()
        rows = []
        for tokens in input_ids.tolist():
            text = "".join(TOKENS[token] for token in tokens)
            question = text[: text.index(END)]
            # A recalled value follows the beginning of the reply and a blank.
            lead = " " if "What is" in question else ""
            writes = lead + written(question, self.planted)
            logs = torch.full((len(tokens), VOCABULARY), float(np.log(1 / VOCABULARY)))
            start = len(question) + (4 if lead else 0)
            for step in range(len(tokens) - start):
                if step < len(writes):
                    logs[start + step] = float(np.log(REST))
                    logs[start + step, KNOWN[writes[step]]] = float(np.log1p(-DOUBT))
            rows.append(logs)
        return SimpleNamespace(logits=torch.stack(rows)[:, -logits_to_keep:])


def written(question: str, planted: tuple[int, ...]) -> str:
    """The copier's answer: the string that is shown, with zeros at the planted places."""
    asked = re.search(r"What is ([A-Z])", question)
    if asked:
        return re.search(rf"{asked[1]} is (\d)", question)[1]
    shown = re.findall(r"\d+", question)[-1]
    if question.startswith("Last"):
        return shown[-1]
    return "".join("0" if at in planted else each for at, each in enumerate(shown))


def apart(size: int) -> float:
    """The distance in nats of a planted blind spot from its prompt of `size` symbols."""
    return float((np.log1p(-DOUBT) - np.log(REST)) / size)
