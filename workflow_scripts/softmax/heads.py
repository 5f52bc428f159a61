"""Trained heads on disk: one safetensors file with the weights of all seeds."""

import json
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files
from workflow_scripts.softmax.retrieval import Parameters


def write(path: str | Path, parameters: Parameters, provenance: dict[str, Any]) -> None:
    """Save a stack of heads, whole or not at all; equal weights give equal bytes."""
    from safetensors.torch import save_file

    note = {"faultlines": json.dumps(provenance, sort_keys=True, default=str)}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in parameters.items()}
    with files.atomic(path) as temporary:
        save_file(tensors, temporary, metadata=note)


def read(path: str | Path) -> Parameters:
    """Load a stack of heads. Raises `ValueError` naming a file that is not one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path}: not a file of heads ({error}); delete it and run again"
        ) from error


def count(parameters: Parameters) -> int:
    """How many seeds a stack holds."""
    return next(iter(parameters.values())).shape[0]
