"""Log-probabilities of option strings and of a prompt's own tokens."""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from workflow_scripts.inference import prefill
from workflow_scripts.inference.tasks import SCORES, Record, Score

if TYPE_CHECKING:
    from workflow_scripts.inference.transformers_engine import TransformersEngine

LOGITS = 1 << 25  # entries of the largest logit matrix: 128 MiB of float32


@dataclass
class _Row:
    """A prompt followed by the inner tokens of its options, side by side.

    Options see the prompt and themselves, not each other (`segments`), so one pass scores them all.
    `lookups` are (place, token, option): add log p(token | up to place) to that option's sum; the
    options -1 collects the prompt's own tokens in order.
    """

    request_id: str
    prompt_tokens: int
    options: list[float | None]
    echo: list[float | None]
    tokens: list[int]
    positions: list[int]
    segments: list[int]
    lookups: list[tuple[int, int, int]]

    def record(self) -> Record:
        return {
            "request_id": self.request_id,
            "sample": SCORES,
            "prompt_tokens": self.prompt_tokens,
            "choice_logprobs": self.options,
            "logprobs": self.echo,
        }


def score(engine: "TransformersEngine", tasks: Sequence[Score]) -> Iterator[list[Record]]:
    """Score the tasks, a batch at a time, longest first.

    A row is made when its batch comes; until then its tokens alone are held, packed.
    """
    done: list[Record] = []
    waiting: list[Score] = []
    tokens: list[array[int]] = []
    for task in tasks:
        row = _row(engine, task)
        if row.lookups:
            waiting.append(task)
            tokens.append(array("i", row.tokens))
        else:
            done.append(row.record())
    if done:
        yield done
    order = prefill.batching_order(tokens)
    most = min(engine.pass_tokens, max(1, LOGITS // engine.vocabulary))
    lengths = [len(tokens[index]) for index in order]
    for batch in prefill.budgeted(order, lengths, most):
        rows = [_row(engine, waiting[index]) for index in batch]
        yield [row.record() for row in _passed(engine, rows)]


def _row(engine: "TransformersEngine", task: Score) -> _Row:
    request = task.request
    prompt = engine.tokens_of(request)
    size = len(prompt)
    options = json.loads(request["choices"])
    echo = bool(request["echo_logprobs"])
    row = _Row(
        request_id=request["request_id"],
        prompt_tokens=size,
        options=[None] * len(options),
        echo=[None] * size if echo else [],
        tokens=list(prompt),
        positions=list(range(size)),
        segments=[0] * size,
        lookups=[],
    )
    if size > engine.context:
        return row
    if echo:
        row.lookups += [(place, prompt[place + 1], -1) for place in range(size - 1)]
    for number, option in enumerate(engine.continuations(request)):
        if size + len(option) > engine.context:
            continue
        row.options[number] = 0.0
        place = size - 1
        for step, token in enumerate(option):
            row.lookups.append((place, token, number))
            if step + 1 < len(option):
                place = len(row.tokens)
                row.tokens.append(token)
                row.positions.append(size + step)
                row.segments.append(number + 1)
    return row


def _passed(engine: "TransformersEngine", rows: list[_Row]) -> list[_Row]:
    wanted = sorted({(i, place) for i, row in enumerate(rows) for place, _, _ in row.lookups})
    index = {pair: number for number, pair in enumerate(wanted)}
    plain = all(not row.segments[-1] for row in rows)
    _, logits = prefill.run(
        engine.forward,
        [row.tokens for row in rows],
        [row.positions for row in rows],
        None if plain else [row.segments for row in rows],
        wanted,
        engine.reuse_prefixes,
    )
    places = [index[i, place] for i, row in enumerate(rows) for place, _, _ in row.lookups]
    tokens = [token for row in rows for _, token, _ in row.lookups]
    at = torch.tensor(places, device=logits.device)
    chosen = logits[at, torch.tensor(tokens, device=logits.device)]
    found = (chosen.double() - torch.logsumexp(logits, dim=-1).double()[at]).tolist()
    values = iter(found)
    for row in rows:
        for place, _, option in row.lookups:
            value = next(values)
            if option < 0:
                row.echo[place + 1] = value
            else:
                row.options[option] = (row.options[option] or 0.0) + value
    return rows
