"""The exact law of a model's answers: the probability of each one, without a draw.

The tree of token sequences that spell an answer is walked level by level. Each sequence passes
through the model once, beside all others and after one pass of the prompt; its logits then give the
next tokens under every setting of temperature, top_p and top_k (`sampling.law`, the code of the
sampler). What leaves the tree is outside the support. Sequences that are unlikely under every
setting are not followed; their probability is unresolved, and bounds the error of every answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.inference import prefill, sampling
from workflow_scripts.inference.attention import Pass, layout, side_by_side
from workflow_scripts.inference.cache import Prompts
from workflow_scripts.inference.checkpoint import not_finite
from workflow_scripts.inference.forward import HIDDEN
from workflow_scripts.inference.local_model import LocalModel
from workflow_scripts.inference.tasks import EngineError

LOGITS = 1 << 24  # entries of the matrix of probabilities held at once: 128 MiB of float64
MOST_ROWS = 512  # sequences that pass through the model at once, for the size of their mask
# Sequences with this share of the least mass are still read, to see whether they can be an answer.
READ = 1e-3


class Setting(NamedTuple):
    """How tokens are chosen; as in `sampling.choose`."""

    temperature: float
    top_p: float
    top_k: int


class Support(Protocol):
    """Which reply texts are answers."""

    @property
    def size(self) -> int:
        """The number of answers."""
        ...

    @property
    def characters(self) -> frozenset[str]:
        """All characters of all reply texts that are answers, and those of white space."""
        ...

    def answer(self, text: str) -> int | None:
        """The number of the answer that a whole reply gives; None if it gives none."""
        ...

    def opens(self, text: str) -> bool:
        """Whether some reply that begins with `text` gives an answer."""
        ...


@dataclass(frozen=True)
class Law:
    """Probabilities under each setting: `answers`, shape (settings, K), and what is left.

    `outside`, shape (settings,), is the mass of all other replies, of those that are cut off too.
    Each answer has at least its probability, and at most that and the mass `unresolved`, shape
    (settings,), together. `sequences` and `tokens` passed through the model, prompt included.
    """

    answers: NDArray
    outside: NDArray
    unresolved: NDArray
    sequences: int
    tokens: int


@dataclass
class _Nodes:
    """Sequences of one length, each with its text and its mass under each setting.

    `above` holds the slots of their tokens in the cache: of all of them once they have passed
    through the model, before that of all but the last.
    """

    tokens: list[tuple[int, ...]] = field(default_factory=list)
    mass: list[NDArray] = field(default_factory=list)
    above: list[tuple[int, ...]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def law(
    model: LocalModel,
    prompt: Sequence[int],
    max_tokens: int,
    stop: Sequence[str],
    support: Support,
    settings: Sequence[Setting],
    least: float,
) -> Law:
    """The law of the replies to a prompt (token ids) that end within `max_tokens`.

    A reply ends with an end token or before the first of the `stop` strings. Sequences with a
    probability below `least` under every setting are not followed. Raises `EngineError` if the
    prompt does not fit the model's context, and for logits that are not finite.
    """
    limit = min(max_tokens, model.context - len(prompt))
    if limit < 1:
        raise EngineError(
            f"{model.name}: a prompt of {len(prompt)} tokens leaves no room in its context of "
            f"{model.context} tokens"
        )
    try:
        return _Walk(model, prompt, limit, stop, support, settings, least).run()
    except FloatingPointError as error:
        raise EngineError(not_finite(model.name, model.dtype)) from error


class _Walk:
    """State of one walk: the cache, the masses found so far."""

    def __init__(
        self,
        model: LocalModel,
        prompt: Sequence[int],
        limit: int,
        stop: Sequence[str],
        support: Support,
        settings: Sequence[Setting],
        least: float,
    ):
        self.model, self.prompt, self.limit, self.stop = model, list(prompt), limit, tuple(stop)
        self.support, self.settings, self.least = support, settings, least
        self.candidates = _candidates(model, self.stop, support)
        self.ends = np.flatnonzero(model.ends)
        self.answers = np.zeros((len(settings), support.size))
        self.outside = np.zeros(len(settings))
        self.unresolved = np.zeros(len(settings))
        self.sequences = 1
        self.cache: Prompts | None = None
        self.at = np.zeros(0, np.int64)  # the position of each slot of the cache

    def run(self) -> Law:
        cache, logits = prefill.prefill(self.model.forward, [self.prompt])
        self.cache = cache
        self.at = np.full(cache.slots, HIDDEN, np.int64)
        self.at[: len(self.prompt)] = np.arange(len(self.prompt))
        level = _Nodes([()], [np.ones(len(self.settings))], [()], [""])
        level = self._read(level, logits)
        while level.tokens:
            following = _Nodes()
            most = max(8, min(MOST_ROWS, LOGITS // self.model.vocabulary))
            for start in range(0, len(level.tokens), most):
                part = _part(level, start, start + most)
                found = self._read(part, self._pass(part))
                for name in vars(following):
                    getattr(following, name).extend(getattr(found, name))
            level = following
        tokens = len(self.prompt) + self.sequences - 1
        return Law(self.answers, self.outside, self.unresolved, self.sequences, tokens)

    def _pass(self, nodes: _Nodes) -> torch.Tensor:
        """Pass the last token of each sequence; logits after it, shape (n, vocabulary)."""
        forward, count = self.model.forward, len(nodes.tokens)
        device = forward.device
        where = layout([count], device)
        slots = len(self.at)
        position = len(self.prompt) + len(nodes.tokens[0]) - 1
        at, last = np.full(where.width, HIDDEN, np.int64), np.zeros(where.width, np.int64)
        at[:count] = position
        last[:count] = [tokens[-1] for tokens in nodes.tokens]
        together = np.zeros((1, where.width, slots + where.width), bool)
        together[0, :count, : len(self.prompt)] = True
        rows = np.arange(count)
        for places in np.array(nodes.above, np.int64).reshape(count, -1).T:
            together[0, rows, places] = True
        together[0, rows, slots + rows] = True
        self.at = np.concatenate([self.at, at])
        cache = Prompts(partial(side_by_side, where=where), self.cache)
        keys = torch.from_numpy(self.at).to(device)[None]
        logits = forward(
            where.pack(last[None]),
            where.pack(np.where(at == HIDDEN, 0, at)[None]),
            Pass(keys[:, slots:], keys, torch.from_numpy(together).to(device), packed=where),
            cache,
            torch.arange(count, device=device),
        )
        self.cache = cache
        self.sequences += count
        nodes.above = [(*above, slots + row) for row, above in enumerate(nodes.above)]
        return logits

    def _read(self, nodes: _Nodes, logits: torch.Tensor) -> _Nodes:
        """Add what ends after these sequences; return those that go on."""
        mass = np.array(nodes.mass)  # (n, settings)
        going = np.zeros((len(self.settings), len(mass), len(self.candidates)))
        ended = np.zeros((len(self.settings), len(mass)))
        for number, (temperature, top_p, top_k) in enumerate(self.settings):
            found = sampling.law(logits, temperature, top_k, top_p).cpu().numpy()
            ended[number] = mass[:, number] * found[:, self.ends].sum(axis=1)
            going[number] = mass[:, number, None] * found[:, self.candidates]
            other = mass[:, number] - ended[number] - going[number].sum(axis=1)
            self.outside[number] += np.clip(other, 0, None).sum()
        for text, own in zip(nodes.texts, ended.T, strict=True):
            self._end(text, own)
        most = going.max(axis=0)
        read = (most >= self.least * READ) & (most > 0)
        self.unresolved += going[:, ~read].sum(axis=1)
        rows, columns = np.nonzero(read)
        sequences = [
            (*nodes.tokens[row], int(self.candidates[column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]
        following = _Nodes()
        if not sequences:
            return following
        texts = _texts(self.model.tokenizer, sequences)
        masses = going[:, rows, columns].T
        for row, tokens, text, own in zip(rows.tolist(), sequences, texts, masses, strict=True):
            self._sort(following, nodes.above[row], tokens, text, own)
        return following

    def _sort(
        self,
        following: _Nodes,
        above: tuple[int, ...],
        tokens: tuple[int, ...],
        text: str,
        mass: NDArray,
    ) -> None:
        """Put a sequence where it belongs: ended, outside, unresolved, or one that goes on."""
        stopped = [at for stop in self.stop if (at := text.find(stop)) >= 0]
        if stopped:
            self._end(text[: min(stopped)], mass)
        elif len(tokens) >= self.limit or not self._opens(text):
            self.outside += mass
        elif mass.max() < self.least:
            self.unresolved += mass
        else:
            following.tokens.append(tokens)
            following.texts.append(text)
            following.mass.append(mass)
            following.above.append(above)

    def _end(self, text: str, mass: NDArray) -> None:
        """Add the mass of replies that end with this text, shape (settings,)."""
        answer = self.support.answer(text)
        if answer is None:
            self.outside += mass
        else:
            self.answers[:, answer] += mass

    def _opens(self, text: str) -> bool:
        """Whether an answer can follow: also within a stop string that has begun."""
        if self.support.opens(text):
            return True
        starts = {stop[:size] for stop in self.stop for size in range(1, len(stop))}
        return any(
            text.endswith(start) and self.support.answer(text[: -len(start)]) is not None
            for start in starts
        )


def _part(nodes: _Nodes, start: int, end: int) -> _Nodes:
    return _Nodes(*(getattr(nodes, name)[start:end] for name in vars(nodes)))


def _texts(tokenizer: Any, sequences: list[tuple[int, ...]]) -> list[str]:
    """The text of each sequence, as `Encoder.text` gives it."""
    if tokenizer.is_fast and not tokenizer.clean_up_tokenization_spaces:
        # The underlying library: the wrapper takes several times as long and does nothing else.
        return tokenizer.backend_tokenizer.decode_batch(sequences, skip_special_tokens=True)
    return tokenizer.batch_decode(sequences, skip_special_tokens=True)


def _candidates(model: LocalModel, stops: Sequence[str], support: Support) -> NDArray:
    """Ids of the tokens that can be part of an answer, ends excepted, shape (candidates,).

    Special tokens have no text in a reply, so they can be anywhere in it.
    """
    allowed = set(support.characters).union(*stops)
    special = set(model.tokenizer.all_special_ids)

    rests = tuple(stop[begun:] for stop in stops for begun in range(1, len(stop)))

    def possible(token: int, text: str) -> bool:
        if token in special or (rests and text.startswith(rests)):
            return True
        for stop in stops:  # whatever follows it is cut off
            text = text.partition(stop)[0]
        return allowed.issuperset(text)

    found = [token for token, text in enumerate(model.token_texts) if possible(token, text)]
    return np.array([token for token in found if not model.ends[token]], np.int64)
