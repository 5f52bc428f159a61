"""The layers of a transformers model of any architecture, and other ways to compute them."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from workflow_scripts.inference.tasks import EngineError


def layer_list(model: Any, count: int) -> torch.nn.ModuleList:
    """The model's `count` decoder layers. Raises `EngineError` where they are not found."""
    # Only the decoder's: a vision tower may have as many.
    for module in model.get_decoder().modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise EngineError(
        f"{type(model).__name__}: expected a list of {count} layers, found none; take the model "
        "out of this study"
    )


@contextmanager
def computed_by(ways: Iterable[tuple[torch.nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Within the block, each module computes in the way given for it; hooks still run."""
    replaced = list(ways)
    try:
        for module, way in replaced:
            module.__dict__["forward"] = way
        yield
    finally:
        for module, _ in replaced:
            module.__dict__.pop("forward", None)
