"""Which weights a checkpoint holds, and the error message when it does not load."""

import hashlib
import os
from pathlib import Path
from typing import Any

# Files that decide a model's replies; logs, cards and optimizer states do not.
DECIDING = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt", "*.jinja")


def content(checkpoint: str, spec: dict[str, Any]) -> str:
    """The hub revision, or a hash over the deciding files of a local folder."""
    if not os.path.isdir(checkpoint):
        return f"{checkpoint}@{spec['revision']}"
    digest = hashlib.sha256()
    folder = Path(checkpoint)
    for path in sorted({path for pattern in DECIDING for path in folder.glob(pattern)}):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def missing(name: str, checkpoint: str, error: Exception) -> str:
    """One line for a model that does not load: config key, cause, remedy."""
    first = str(error).strip().splitlines()[0]
    key = f"models.{name}.source"
    if os.path.isdir(checkpoint):
        return f"{key}: {checkpoint} does not load as a model ({first}); train or download it again"
    return (
        f"{key}: {checkpoint} is neither a folder nor in the local cache and cannot be downloaded "
        f"({first}); run `hf download {checkpoint}` on a machine with network, or name a folder"
    )
