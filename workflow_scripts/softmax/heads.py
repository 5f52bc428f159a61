"""Trained heads on disk: one safetensors file with the weights of all seeds."""

from pathlib import Path
from typing import Any

from workflow_scripts.shared import weights
from workflow_scripts.softmax.retrieval import Parameters


def write(path: str | Path, parameters: Parameters, provenance: dict[str, Any]) -> None:
    """Save a stack of heads, whole or not at all; equal weights give equal bytes."""
    weights.write(path, parameters, provenance)


def read(path: str | Path) -> Parameters:
    """Load a stack of heads. Raises `ValueError` naming a file that is not one."""
    return weights.read(path, "heads")[0]


def count(parameters: Parameters) -> int:
    """How many seeds a stack holds."""
    return next(iter(parameters.values())).shape[0]
