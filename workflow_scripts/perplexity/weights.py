"""Stacks of small decoders on disk: one safetensors file, its shape beside the weights."""

from pathlib import Path
from typing import Any

from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import weights


def write(
    path: str | Path, parameters: Parameters, provenance: dict[str, Any], shape: Shape
) -> None:
    """Save a stack, whole or not at all; equal weights give equal bytes."""
    weights.write(path, parameters, provenance, shape=shape._asdict())


def read(path: str | Path) -> tuple[Parameters, Shape]:
    """Load a stack and its shape. Raises `ValueError` naming a file that is not one."""
    parameters, about = weights.read(path, "small decoders", "shape")
    return parameters, Shape(**about["shape"])
