"""Greedy answers, and answers with a given shape, of which only the numbers are the model's own."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from workflow_scripts.transnar import tokens
from workflow_scripts.transnar.batches import text
from workflow_scripts.transnar.decoder import STREAMS, Graph, Model, Text

SPARE = 4  # tokens by which an answer may exceed the longest true one

_DIGITS = torch.zeros(len(tokens.VOCABULARY), dtype=torch.bool)
_DIGITS[[index for token, index in tokens.IDS.items() if token.strip().isdigit()]] = True


def _choose(logits: Tensor, right: Sequence[int] | None) -> list[int]:
    """The most likely token of each row of `logits`, shape (B, vocabulary).

    With `right`, the true tokens: the most likely digit with the same spacing if the true token is
    a digit, else the true token.
    """
    if right is None:
        return logits.argmax(-1).tolist()
    spaced = torch.tensor([token.startswith(" ") for token in tokens.VOCABULARY])
    found = []
    for row, index in zip(logits, right, strict=True):
        allowed = _DIGITS & (spaced == spaced[index])
        best = int(row.masked_fill(~allowed, -torch.inf).argmax())
        found.append(best if _DIGITS[index] else index)
    return found


@torch.inference_mode()
def answers(
    model: Model,
    questions: Sequence[str],
    truths: Sequence[str],
    nodes: int,
    graph_of: Callable[[Tensor], Graph | None],
    random: np.random.Generator,
    given_shape: bool = False,
    streams: tuple[str, ...] = STREAMS,
) -> list[str]:
    """One answer per question, without its line end.

    `graph_of` returns the embeddings for labels of nodes, shape (B, N). An answer is cut `SPARE`
    tokens after the length of the longest true one. With `given_shape`, every token except digits
    is that of the true answer.
    """
    shape = model.shape
    prompts = [tokens.encode(question) for question in questions]
    right = [tokens.encode(truth.rstrip("\n") + tokens.END) for truth in truths]
    longest = max(map(len, right)) + SPARE
    written: list[list[int]] = [[] for _ in prompts]
    prompt, label, later = text(prompts, written, nodes, random, shape, spare=longest)
    device = next(model.parameters()).device
    prompt, label, later = prompt.to(device), label.to(device), later.to(device)
    model.look(graph_of(label[:, :-1]), streams)
    cache = DynamicCache(config=model.decoder.config)
    logits = model(prompt, cache)[:, -1].cpu()
    done = [False] * len(prompts)
    attended = prompt.attended
    for step in range(longest):
        wanted = None
        if given_shape:
            wanted = [row[step] if step < len(row) else tokens.END_ID for row in right]
        choice = _choose(logits, wanted)
        for row, token in enumerate(choice):
            if not done[row]:
                written[row].append(token)
                done[row] = token == tokens.END_ID
        if all(done) or step == longest - 1:
            break
        attended = torch.cat([attended, torch.ones_like(attended[:, :1])], 1)
        places = [tokens.structure(a + b) for a, b in zip(prompts, written, strict=True)]
        last = torch.tensor([[rows[-1], columns[-1]] for rows, columns in places], device=device)
        labels = label.gather(1, last.clamp_max(nodes))[:, None]
        ids = torch.tensor(choice, device=device)[:, None]
        position = later[:, step : step + 1]
        one = Text(ids, position, labels, torch.zeros_like(labels), attended)
        logits = model(one, cache)[:, -1].cpu()
    model.look(None)
    return [tokens.decode(own).removesuffix(tokens.END) for own in written]
