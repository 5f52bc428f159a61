"""Weights on disk: one safetensors file that also holds what they are and how they were trained."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import files

if TYPE_CHECKING:
    from torch import Tensor

KEY = "faultlines"


def write(
    path: str | Path,
    tensors: "Mapping[str, Tensor]",
    provenance: dict[str, Any] | None = None,
    **about: Any,
) -> None:
    """Save tensors, whole or not at all; equal tensors give equal bytes.

    `read` returns `about` with the tensors; it must be JSON-serialisable.
    """
    from safetensors.torch import save_file

    made = json.loads(json.dumps(provenance or {}, sort_keys=True, default=str))
    # One entry only: safetensors writes several entries in arbitrary order.
    note = json.dumps({**about, "provenance": made})
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with files.atomic(path) as temporary:
        save_file(held, temporary, metadata={KEY: note})


def read(
    path: str | Path, what: str, key: str | None = None
) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Tensors, on the CPU, and the `about` that was saved with them.

    Raises `ValueError` naming the file if `write` did not write it or it has no entry `key`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            note = (stored.metadata() or {})[KEY]
            # Copies: the alignment of what safetensors returns depends on the length of the header,
            # and matrix products of differently aligned tensors round differently.
            tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path}: expected {what}, cannot be read ({error}); delete it and run again"
        ) from error
    about = json.loads(note)
    if key is not None and key not in about:
        raise ValueError(f"{path}: expected {what}, found other weights; delete it and run again")
    return tensors, about
