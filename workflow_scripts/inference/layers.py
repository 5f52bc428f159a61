"""The decoder layers of a transformers model of any architecture."""

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
