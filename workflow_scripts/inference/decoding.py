"""The decode loop: rows join as others finish, and a reply does not depend on the batch.

Draws from one prompt share its prefill; their rows get copies of its keys and values. A step runs
only the rows in flight: finished rows leave immediately, and once a quarter of the batch has left,
the next draws join. Rows are admitted while rows x final length fits the token budget.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from workflow_scripts.inference import noise, prefill, sampling
from workflow_scripts.inference.attention import Pass
from workflow_scripts.inference.cache import BLOCK, MIN_ROWS, Prompts, Rows, up
from workflow_scripts.inference.local_model import LocalModel
from workflow_scripts.inference.tasks import Draw, Record
from workflow_scripts.inference.texts import Stops


@dataclass
class _Row:
    """A draw in flight. `prompt` and `limit` are numbers of tokens of prompt and reply."""

    draw: Draw
    prompt: int
    limit: int
    finish_at_limit: str
    key: int
    tokens: list[int] = field(default_factory=list)


@dataclass
class _Wave:
    """Prompts that passed through the model together, and their draws that wait for a row."""

    cache: Prompts
    logits: torch.Tensor
    lengths: list[int]
    waiting: list[tuple[int, _Row]]


def decode(model: LocalModel, draws: Sequence[Draw]) -> Iterator[list[Record]]:
    """Sample the draws; yield finished ones before new rows join, and at the end."""
    groups: dict[tuple[int, ...], list[_Row]] = {}
    done: list[Record] = []
    for draw in draws:
        prompt = model.tokens_of(draw.request)
        row = _new_row(model, draw, len(prompt))
        if row.limit > 0:
            groups.setdefault(tuple(prompt), []).append(row)
        else:
            done.append(_record(model, row, row.finish_at_limit))
    if done:
        yield done
    prompts = list(groups)
    order = prefill.batching_order(prompts)
    yield from _Loop(model, [(prompts[i], groups[prompts[i]]) for i in order]).run()


def _new_row(model: LocalModel, draw: Draw, prompt: int) -> _Row:
    request = draw.request
    room = model.context - prompt
    fits = request["max_tokens"] <= room
    return _Row(
        draw=draw,
        prompt=prompt,
        limit=request["max_tokens"] if fits else max(room, 0),
        finish_at_limit="length" if fits else "context",
        key=noise.key(model.draws_as, request["seed"], request["request_id"], draw.sample),
    )


def _record(model: LocalModel, row: _Row, reason: str, text: str | None = None) -> Record:
    return {
        "request_id": row.draw.request["request_id"],
        "sample": row.draw.sample,
        "text": model.text(row.tokens) if text is None else text,
        "finish_reason": reason,
        "prompt_tokens": row.prompt,
        "completion_tokens": len(row.tokens),
    }


class _Loop:
    """State of the loop: the rows in flight, their cache, and arrays with one entry per row."""

    def __init__(self, model: LocalModel, groups: list[tuple[tuple[int, ...], list[_Row]]]):
        self.model = model
        self.groups = groups[::-1]  # popped from the end
        self.wave: _Wave | None = None
        self.cache = Rows()
        self.rows: list[_Row] = []
        self.finished: list[Record] = []
        self.full = 0  # rows in flight after rows last joined
        # Per row: current length, tokens drawn, last token, token limit, key, sampling settings.
        self.length = np.zeros(0, np.int64)
        self.drawn = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.limit = np.zeros(0, np.int64)
        self.key = np.zeros(0, np.int64)
        self.top_k = np.zeros(0, np.int64)
        self.top_p = np.zeros(0, np.float64)
        self.temperature = np.zeros(0, np.float32)
        self.stops = Stops(model.token_texts)

    ARRAYS = ("length", "drawn", "last", "limit", "key", "top_k", "top_p", "temperature")

    def run(self) -> Iterator[list[Record]]:
        while self.rows or self.groups or self.wave:
            if len(self.rows) <= 0.75 * self.full and (self.groups or self.wave):
                if self.finished:
                    yield self.finished
                    self.finished = []
                self._join()
            if self.rows:
                self._step()
        if self.finished:
            yield self.finished

    def _join(self) -> None:
        """Admit waiting draws while they fit; start a new wave of prompts when one is used up."""
        joining: list[tuple[_Wave, list[tuple[int, _Row]]]] = []
        slots = max([row.prompt + row.limit for row in self.rows], default=0)
        count = len(self.rows)
        while self.groups or self.wave:
            if self.wave is None:
                self.wave = self._new_wave()
            wave = self.wave
            admitted: list[tuple[int, _Row]] = []
            while wave.waiting:
                row = wave.waiting[-1][1]
                slots = up(max(slots, row.prompt + row.limit), BLOCK)
                if count >= MIN_ROWS and (count + 1) * slots > self.model.batch_tokens:
                    break
                admitted.append(wave.waiting.pop())
                count += 1
            joining.append((wave, admitted))
            if wave.waiting:
                break
            self.wave = None
        self._admit(joining)
        self.full = len(self.rows)

    def _new_wave(self) -> _Wave:
        """Prefill the next prompts: as many as will get rows within the token budget."""
        prompts: list[tuple[int, ...]] = []
        waiting: list[tuple[int, _Row]] = []
        longest = slots = 0
        while self.groups:
            prompt, rows = self.groups[-1]
            longest = up(max(longest, len(prompt)), BLOCK)
            slots = max(slots, *(row.prompt + row.limit for row in rows))
            passed = (len(prompts) + 1) * longest > self.model.pass_tokens
            if prompts and (passed or (len(waiting) + 1) * slots > self.model.batch_tokens):
                break
            waiting.extend((len(prompts), row) for row in rows)
            prompts.append(prompt)
            self.groups.pop()
        cache, logits = prefill.prefill(self.model.forward, prompts, self.model.reuse_prefixes)
        return _Wave(cache, logits, [len(prompt) for prompt in prompts], waiting[::-1])

    def _admit(self, joining: list[tuple[_Wave, list[tuple[int, _Row]]]]) -> None:
        first = len(self.rows)
        rows = [row for _, admitted in joining for _, row in admitted]
        if not rows:
            return
        self.rows.extend(rows)
        requests = [row.draw.request for row in rows]
        added = {
            "length": [row.prompt for row in rows],
            "drawn": [0] * len(rows),
            "last": [0] * len(rows),
            "limit": [row.limit for row in rows],
            "key": [row.key for row in rows],
            "top_k": [request["top_k"] for request in requests],
            "top_p": [request["top_p"] for request in requests],
            "temperature": [request["temperature"] for request in requests],
        }
        for name in self.ARRAYS:
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.array(added[name], old.dtype)]))
        self.stops.add([request["stop"] for request in requests])
        self._fit(first, joining[0][0].cache)
        logits = []
        at = first
        for wave, admitted in joining:
            chosen = torch.tensor([prompt for prompt, _ in admitted], dtype=torch.int64)
            chosen = chosen.to(self.model.device)
            used = up(max([row.prompt for _, row in admitted], default=0), BLOCK)
            self.cache.admit(wave.cache, chosen, at, min(used, self.cache.slots))
            logits.append(wave.logits[chosen])
            at += len(admitted)
        self._draw(torch.cat(logits), np.arange(first, len(self.rows)))

    def _fit(self, used: int, like: Prompts | None = None) -> None:
        """Resize the cache for the next step, keeping the first `used` rows."""
        slots = up(int(self.length.max()) + 1, BLOCK)
        capacity = up(len(self.rows), MIN_ROWS)
        if slots != self.cache.slots or capacity > self.cache.capacity:
            self.cache.resize(used, capacity, slots, like)

    def _step(self) -> None:
        """Feed each row its last token and draw the next one."""
        count = len(self.rows)
        padded = up(count, MIN_ROWS)
        at = np.zeros(padded, np.int64)
        at[:count] = self.length
        last = np.zeros(padded, np.int64)
        last[:count] = self.last
        device = self.model.device
        self._fit(count)
        cache = self.cache
        cache.rows, cache.at = padded, torch.from_numpy(at).to(device)
        slot = torch.arange(cache.slots, device=device)
        logits = self.model.forward(
            torch.from_numpy(last).to(device)[:, None],
            cache.at[:, None],
            Pass(cache.at[:, None], slot[None]),
            cache,
            torch.arange(padded, device=device),
        )
        self.length += 1
        self._draw(logits[:count], np.arange(count))

    def _draw(self, logits: torch.Tensor, who: np.ndarray) -> None:
        """Draw a token for the rows `who`, shape (n,), from `logits`, shape (n, vocabulary).

        Rows that the token finishes leave.
        """
        device = self.model.device
        numbers = (self.temperature, self.top_k, self.top_p, self.key, self.drawn)
        settings = (torch.from_numpy(array[who]).to(device) for array in numbers)
        tokens = sampling.choose(logits, *settings).cpu().numpy()
        self.last[who] = tokens
        self.drawn[who] += 1
        for number, token in zip(who.tolist(), tokens.tolist(), strict=True):
            self.rows[number].tokens.append(token)
        ended = self.model.ends[tokens]
        out = self.drawn[who] >= self.limit[who]
        gone: list[int] = []
        for place in np.flatnonzero(ended | out | self.stops.possible(who, tokens)).tolist():
            number = int(who[place])
            row = self.rows[number]
            kept = row.tokens[:-1] if ended[place] else row.tokens
            text = self.model.text(kept)
            cut = self.stops.cut(number, text)
            if cut is not None or ended[place]:
                self.finished.append(_record(self.model, row, "stop", text if cut is None else cut))
            elif out[place]:
                self.finished.append(_record(self.model, row, row.finish_at_limit, text))
            else:
                continue
            gone.append(number)
        if gone:
            self._leave(gone)

    def _leave(self, gone: list[int]) -> None:
        """Fill the gaps of finished rows with rows from the end."""
        left = len(self.rows) - len(gone)
        holes = [number for number in gone if number < left]
        absent = set(gone)
        movers = [number for number in range(left, len(self.rows)) if number not in absent]
        if holes:
            device = self.model.device
            source, target = torch.tensor(movers, device=device), torch.tensor(holes, device=device)
            self.cache.move(source, target)
            for hole, mover in zip(holes, movers, strict=True):
                self.rows[hole] = self.rows[mover]
        self.rows = self.rows[:left]
        self.stops.move(movers, holes, left)
        for name in self.ARRAYS:
            array = getattr(self, name)
            array[holes] = array[movers]
            setattr(self, name, array[:left].copy())
