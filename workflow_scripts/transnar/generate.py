"""Greedy answers, and answers with a given shape, of which only the numbers are the model's own."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from workflow_scripts.transnar.batches import text
from workflow_scripts.transnar.decoder import STREAMS, Coupled, Graph, Text

SPARE = 4  # tokens by which an answer may exceed the longest true one


def _choose(logits: Tensor, right: Sequence[int] | None, alike: Tensor) -> list[int]:
    """The most likely token of each row of `logits`, shape (B, vocabulary).

    With `right`, the true tokens: the most likely of those that differ from the true one in their
    digits only (`alike`, shape (vocabulary,)), or the true one itself where it has no digit.
    """
    if right is None:
        return logits.argmax(-1).tolist()
    found = []
    for row, index in zip(logits, right, strict=True):
        allowed = alike == alike[index]
        best = int(row.masked_fill(~allowed, -torch.inf).argmax())
        found.append(index if alike[index] < 0 else best)
    return found


@torch.inference_mode()
def answers(
    model: Coupled,
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
    tokens after the length of the longest true one. With `given_shape`, only the digits of the true
    answer's tokens are the model's own.
    """
    shape = model.shape
    words, alike = model.words, model.words.alike()
    prompts = [words.prompt(question) for question in questions]
    right = [words.answer(truth) for truth in truths]
    longest = max(map(len, right)) + SPARE
    written: list[list[int]] = [[] for _ in prompts]
    prompt, label, later = text(prompts, written, nodes, random, shape, longest, words)
    device = next(model.parameters()).device
    prompt, label, later = prompt.to(device), label.to(device), later.to(device)
    model.look(graph_of(label[:, :-1]), streams)
    cache = DynamicCache(config=model.decoder.config)
    logits = model(prompt, cache, last=1)[:, -1].cpu()
    done = [False] * len(prompts)
    attended = prompt.attended
    for step in range(longest):
        wanted = None
        if given_shape:
            wanted = [row[min(step, len(row) - 1)] for row in right]
        choice = _choose(logits, wanted, alike)
        for row, token in enumerate(choice):
            if not done[row]:
                written[row].append(token)
                done[row] = token in words.ends
        if all(done) or step == longest - 1:
            break
        attended = torch.cat([attended, torch.ones_like(attended[:, :1])], 1)
        places = [words.places(a + b) for a, b in zip(prompts, written, strict=True)]
        last = torch.tensor([[rows[-1], columns[-1]] for rows, columns in places], device=device)
        labels = label.gather(1, last.clamp_max(nodes))[:, None]
        ids = torch.tensor(choice, device=device)[:, None]
        position = later[:, step : step + 1]
        one = Text(ids, position, labels, torch.zeros_like(labels), attended)
        logits = model(one, cache)[:, -1].cpu()
    model.look(None)
    return [words.read(own) for own in written]
