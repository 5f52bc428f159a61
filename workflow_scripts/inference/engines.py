"""Loads a model with the engine that the config names."""

from collections.abc import Callable
from typing import Any

from workflow_scripts.inference.tasks import Draw, Engine, EngineError, Record, Score, Task
from workflow_scripts.shared import devices

__all__ = ["Draw", "Engine", "EngineError", "Record", "Score", "Task", "load", "serving"]

SERVING = (
    "source",
    "revision",
    "engine",
    "dtype",
    "chat_template",
    "thinking",
    "max_context",
    "batch_tokens",
    "devices",
    "tensor_parallel",
    "memory_share",
    "batch_invariant",
    "python",
    "server",
)


def load(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    """Load model `name` of the config from `checkpoint` (a folder, a hub id, a server's name).

    `spec` is the model's entry under `models`; `options` go to the engine (for transformers:
    `batch_tokens`, `attention`). A `dtype` of `auto` is chosen here, for the device of this job.
    Raises `EngineError` if the model cannot be loaded.
    """
    if "dtype" in spec:
        spec = spec | {"dtype": devices.dtype(spec["dtype"])}
    return ENGINES[spec.get("engine", "transformers")](name, spec, checkpoint, **options)


def serving(spec: dict[str, Any], server: dict[str, Any]) -> dict[str, Any]:
    """The model's settings for loading and inference, without those for training.

    `server` holds the defaults of all server models; a model's own settings override them.
    """
    found = {key: value for key, value in spec.items() if key in SERVING}
    if "server" in found:
        found["server"] = server | found["server"]
        found["server"]["limits"] = server["limits"] | spec["server"].get("limits", {})
    return found


def _transformers(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    from workflow_scripts.inference import transformers_engine

    return transformers_engine.load(name, spec, checkpoint, **options)


def _vllm(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    from workflow_scripts.inference import vllm_engine

    return vllm_engine.load(name, spec, checkpoint, **options)


def _openai(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> Engine:
    from workflow_scripts.inference import openai_engine

    return openai_engine.load(name, spec, checkpoint, **options)


ENGINES: dict[str, Callable[..., Engine]] = {
    "transformers": _transformers,
    "vllm": _vllm,
    "openai": _openai,
}
