"""A copier in closed form, with blind spots where they are planted.

It gives what it writes the probability 1 - `DOUBT` and the other tokens equal shares of the rest.
At a planted place of a string it writes a zero, whatever stands there.
"""

import re

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

    def rewriting(self, rows: list[list[int]]) -> "Rewriting":
        """Rows whose answers are written anew."""
        return Rewriting(self, rows)

    def logs(self, tokens: list[int]) -> torch.Tensor:
        """Log-probabilities (tokens, vocabulary) after each token."""
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
        return logs


class Rewriting:
    """As `inference.rewriting`, of a `Copier`."""

    def __init__(self, copier: Copier, rows: list[list[int]]):
        self.copier, self.last = copier, dict(enumerate(rows))

    def written(self, places: list[int]) -> torch.Tensor:
        self.copier.tokens += sum(map(len, self.last.values()))
        return torch.stack([self.copier.logs(row)[places] for row in self.last.values()])

    def rewritten(
        self, chosen: list[int], rows: list[list[int]], same: int, places: list[int]
    ) -> torch.Tensor:
        for number, row in zip(chosen, rows, strict=True):
            assert row[:same] == self.last[number][:same]
        assert same <= min(places) <= max(places) < min(map(len, rows))
        assert same <= min(len(self.last[number]) for number in chosen)  # else not in the cache
        self.last = dict(zip(chosen, rows, strict=True))
        self.copier.tokens += sum(len(row) - same for row in rows)
        return torch.stack([self.copier.logs(row)[places] for row in rows])


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
