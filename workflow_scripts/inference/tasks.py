"""The interface between runner and engines: tasks and records."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class EngineError(RuntimeError):
    """A model cannot be loaded or queried; the message names the config key and the remedy."""


class Draw(NamedTuple):
    """Sample `sample` of a request (a row of the request table as a dict)."""

    request: dict[str, Any]
    sample: int


class Score(NamedTuple):
    """Option and prompt log-probabilities of a request; they do not depend on the sample."""

    request: dict[str, Any]


Task = Draw | Score

SCORES = -1  # the `sample` of a request's option and prompt log-probabilities

# A finished task, as stored: `request_id`, `sample` (-1 for log-probabilities) and, for a draw,
# `text`, `finish_reason`, `prompt_tokens`, `completion_tokens`; for log-probabilities,
# `prompt_tokens`, `choice_logprobs` and `logprobs` (natural logarithms; null if not available;
# `{"at_most": x}` for an option that a server does not list).
# `rendered` is the hash of the prompt as text, where the engine renders it; else it is not there.
Record = dict[str, Any]


class Engine(Protocol):
    """What the runner and the studies need from an engine.

    `identity` holds all that decides its replies, `draws_as` the model's part of the keys of its
    draws (`noise.model_of`).
    """

    name: str
    engine: str
    dtype: str
    version: str
    identity: dict[str, Any]
    draws_as: str

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks in any order; yield finished records batch by batch."""
        ...

    def rendered(self, requests: Sequence[dict[str, Any]]) -> dict[str, str]:
        """The hash of each request's rendered prompt, by `request_id`; empty for a server."""
        ...
