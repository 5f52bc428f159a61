"""Log-probabilities of option strings and of the tokens of a prompt."""

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from workflow_scripts.inference import prefill
from workflow_scripts.inference.local_model import LocalModel
from workflow_scripts.inference.tasks import SCORES, Record, Score

LOGITS = 1 << 25  # maximum entries of a logit matrix: 128 MiB of float32


@dataclass
class _Row:
    """A prompt followed by its options side by side, each without its last token.

    Options attend to the prompt and themselves, not to each other (`segments`), so one pass scores
    all of them. A lookup (place, token, option) adds log p(token | tokens up to place) to the sum
    of that option; option -1 collects the prompt's own tokens in order.
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


def score(model: LocalModel, tasks: Sequence[Score]) -> Iterator[list[Record]]:
    """Score the tasks batch by batch, longest first.

    To save memory, only the packed tokens of a row are kept until its batch is run. Raises
    `FloatingPointError` for NaN or infinite logits.
    """
    done: list[Record] = []
    waiting: list[Score] = []
    tokens: list[array[int]] = []
    for task in tasks:
        row = _row(model, task)
        if row.lookups:
            waiting.append(task)
            tokens.append(array("i", row.tokens))
        else:
            done.append(row.record())
    if done:
        yield done
    order = prefill.batching_order(tokens)
    most = min(model.pass_tokens, max(1, LOGITS // model.vocabulary))
    lengths = [len(tokens[index]) for index in order]
    for batch in prefill.budgeted(order, lengths, most):
        rows = [_row(model, waiting[index]) for index in batch]
        yield [row.record() for row in _passed(model, rows)]


def _row(model: LocalModel, task: Score) -> _Row:
    request = task.request
    prompt = model.tokens_of(request)
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
    if size > model.context:
        return row
    if echo:
        row.lookups += [(place, prompt[place + 1], -1) for place in range(size - 1)]
    for number, option in enumerate(model.continuations(request)):
        if size + len(option) > model.context:
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


def _passed(model: LocalModel, rows: list[_Row]) -> list[_Row]:
    wanted = sorted({(i, place) for i, row in enumerate(rows) for place, _, _ in row.lookups})
    index = {pair: number for number, pair in enumerate(wanted)}
    plain = all(not row.segments[-1] for row in rows)
    _, logits = prefill.run(
        model.forward,
        [row.tokens for row in rows],
        [row.positions for row in rows],
        None if plain else [row.segments for row in rows],
        wanted,
        model.reuse_prefixes,
    )
    places = [index[i, place] for i, row in enumerate(rows) for place, _, _ in row.lookups]
    tokens = [token for row in rows for _, token, _ in row.lookups]
    logits = logits.float()
    at = torch.tensor(places, device=logits.device)
    chosen = logits[at, torch.tensor(tokens, device=logits.device)]
    totals = torch.logsumexp(logits, dim=-1).double()
    if not bool(totals.isfinite().all()):  # NaN or +inf among a row's logits
        raise FloatingPointError("expected finite logits, found NaN or infinite ones")
    found = (chosen.double() - totals[at]).tolist()
    values = iter(found)
    for row in rows:
        for place, _, option in row.lookups:
            value = next(values)
            if option < 0:
                row.echo[place + 1] = value
            else:
                row.options[option] = (row.options[option] or 0.0) + value
    return rows
