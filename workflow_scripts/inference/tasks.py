"""What a runner asks of an engine, and what it gets back."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class EngineError(RuntimeError):
    """A model that cannot be loaded or asked; the message names the config key and the remedy."""


class Draw(NamedTuple):
    """Sample `sample` of a request (a row of the request table as a dict)."""

    request: dict[str, Any]
    sample: int


class Score(NamedTuple):
    """A request's option and prompt log-probabilities, which do not depend on the sample."""

    request: dict[str, Any]


Task = Draw | Score

SCORES = -1  # the `sample` of a request's option and prompt log-probabilities

# A finished task, as it is stored: `request_id`, `sample` (-1 for scores) and, for a draw, `text`,
# `finish_reason`, `prompt_tokens`, `completion_tokens`; for scores, `prompt_tokens`,
# `choice_logprobs` and `logprobs` (natural logarithms; null where they cannot be had).
Record = dict[str, Any]


class Engine(Protocol):
    """What the runner needs of an engine. `identity` holds all that decides its replies."""

    name: str
    engine: str
    dtype: str
    version: str
    identity: dict[str, Any]

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks in any order; yield what is finished, a batch at a time."""
        ...
