"""What runs a model: a name in the config to a function that loads it."""

from collections.abc import Callable, Iterator, Sequence
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

SERVING = (
    "source",
    "revision",
    "engine",
    "dtype",
    "chat_template",
    "thinking",
    "max_context",
    "batch_tokens",
)

# A finished task, as it is stored: `request_id`, `sample` (-1 for scores) and, for a draw, `text`,
# `finish_reason`, `prompt_tokens`, `completion_tokens`; for scores, `prompt_tokens`,
# `choice_logprobs` and `logprobs` (natural logarithms; null where the context cannot hold them).
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


def load(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    """Load model `name` of the config from `checkpoint` (a folder or a hub id).

    `spec` is the model's entry under `models`; `options` go to the engine (for transformers:
    `batch_tokens`, `attention`). Raises `EngineError` when the model is not there.
    """
    return ENGINES[spec.get("engine", "transformers")](name, spec, checkpoint, **options)


def serving(spec: dict[str, Any]) -> dict[str, Any]:
    """The part of a model's settings that loading and asking it read: not how it was trained."""
    return {key: value for key, value in spec.items() if key in SERVING}


def _transformers(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    from workflow_scripts.inference import transformers_engine

    return transformers_engine.load(name, spec, checkpoint, **options)


ENGINES: dict[str, Callable[..., Engine]] = {"transformers": _transformers}
