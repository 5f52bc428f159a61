"""Stacks of small decoders on disk: one safetensors file, its shape beside the weights."""

import json
from pathlib import Path
from typing import Any

from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import files


def write(
    path: str | Path, parameters: Parameters, provenance: dict[str, Any], shape: Shape
) -> None:
    """Save a stack, whole or not at all; equal weights give equal bytes."""
    from safetensors.torch import save_file

    note = {
        "faultlines": json.dumps(provenance, sort_keys=True, default=str),
        "shape": json.dumps(shape._asdict(), sort_keys=True),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in parameters.items()}
    with files.atomic(path) as temporary:
        save_file(tensors, temporary, metadata=note)


def read(path: str | Path) -> tuple[Parameters, Shape]:
    """Load a stack and its shape. Raises `ValueError` naming a file that is not one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as stored:
            shape = Shape(**json.loads(stored.metadata()["shape"]))
            return {name: stored.get_tensor(name) for name in stored.keys()}, shape  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not a file of small decoders ({error}); delete it and run again"
        ) from error
