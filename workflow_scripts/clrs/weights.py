"""Reasoners on disk: one safetensors file each, with the settings to build them again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from workflow_scripts.clrs import specs
from workflow_scripts.clrs.processors import PROCESSORS, Factory
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import weights


def write(
    path: str | Path, reasoner: Reasoner, processor: str, provenance: dict[str, Any] | None = None
) -> None:
    """Write weights and settings; `processor` is the factory's name in the table that `read` gets.

    `provenance` is stored beside them.
    """
    shape = {
        "processor": processor,
        "width": reasoner.width,
        "inverted_pointers": reasoner.inverted_pointers,
        "specs": {name: specs.to_json(spec) for name, spec in reasoner.specs.items()},
    }
    weights.write(path, reasoner.state_dict(), provenance, reasoner=shape)


def read(path: str | Path, processors: Mapping[str, Factory] = PROCESSORS) -> Reasoner:
    """Read a reasoner, on the CPU. Raises `ValueError` naming a file that has none."""
    shape, tensors = _content(path)
    reasoner = _build(shape, processors)
    reasoner.load_state_dict(tensors)
    return reasoner.eval()


def untrained(
    path: str | Path, seed: int, processors: Mapping[str, Factory] = PROCESSORS
) -> Reasoner:
    """A reasoner with the settings of the one in a file and fresh initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _build(_content(path)[0], processors).eval()


def _content(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    tensors, about = weights.read(path, "reasoners", "reasoner")
    return about["reasoner"], tensors


def _build(shape: dict[str, Any], processors: Mapping[str, Factory]) -> Reasoner:
    return Reasoner(
        {name: specs.from_json(rows) for name, rows in shape["specs"].items()},
        shape["width"],
        processors[shape["processor"]],
        shape["inverted_pointers"],
    )
