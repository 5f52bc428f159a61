"""What a checkpoint holds, how it is found, and the error message when it does not load."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Files that decide a model's replies; logs, cards and optimizer states do not.
PROVENANCE = "provenance.json"  # names the commit and versions, too
UNLIMITED = 1 << 20  # tokens, for a model that states no limit
# What loading a damaged or foreign folder raises.
UNLOADABLE = (OSError, ValueError, ImportError, KeyError, RuntimeError, TypeError, AttributeError)
DECIDING = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt", "*.jinja")


def content(checkpoint: str, spec: dict[str, Any]) -> tuple[str, str]:
    """What the checkpoint holds, with and without its provenance.

    For a hub model both are its id and revision, for a local folder hashes over the deciding files.
    """
    if not os.path.isdir(checkpoint):
        hub = f"{checkpoint}@{spec['revision']}"
        return hub, hub
    everything, without = hashlib.sha256(), hashlib.sha256()
    folder = Path(checkpoint)
    for path in sorted({path for pattern in DECIDING for path in folder.glob(pattern)}):
        digests = [everything] if path.name == PROVENANCE else [everything, without]
        for digest in digests:
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                for digest in digests:
                    digest.update(block)
    return everything.hexdigest(), without.hexdigest()


def revision(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments with which transformers finds a hub model's revision."""
    return {"revision": spec["revision"]} if "revision" in spec else {}


def context(config: Any, spec: Mapping[str, Any]) -> int | None:
    """Most tokens of prompt and reply together; None if neither config nor entry limits them.

    `config` is the model's text config of transformers, and `spec` its entry in the run's config.
    """
    limits = [getattr(config, "max_position_embeddings", None), spec.get("max_context")]
    return min((limit for limit in limits if limit), default=None)


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


def not_finite(name: str, dtype: str) -> str:
    """One line for a model whose logits are NaN or infinite: config key, cause, remedy."""
    remedy = f"set models.{name}.dtype: bfloat16 or float32"
    if dtype in ("float32", "float64"):
        remedy = "its weights are damaged; download the model again"
    return (
        f"models.{name}.dtype: expected finite logits, found NaN or infinite ones with dtype "
        f"{dtype}; {remedy}"
    )
