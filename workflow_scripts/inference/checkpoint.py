"""What a checkpoint holds, how it is found, and the error message when it does not load."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.inference.weight_files import refuse_damaged

# Files that decide a model's replies; logs, cards and optimizer states do not.
PROVENANCE = "provenance.json"  # names the commit and versions, too
UNLIMITED = 1 << 20  # tokens, for a model that states no limit
# What loading a damaged or foreign folder raises.
UNLOADABLE = (OSError, ValueError, ImportError, KeyError, RuntimeError, TypeError, AttributeError)
# What transformers says of a model that it does not know, or not without more libraries.
FOREIGN = re.compile(
    r"not recognize|Unrecognized conf|custom code|quantiz|pip install", re.IGNORECASE
)
OBJECTS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
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


@contextmanager
def loading(name: str, checkpoint: str) -> Iterator[None]:
    """Raise `EngineError`, one line, if the block cannot read a model's folder or hub id."""
    try:
        yield
    except EngineError:
        raise
    except UNLOADABLE as error:
        refuse_damaged(name, checkpoint)
        raise EngineError(missing(name, checkpoint, error)) from error


def missing(name: str, checkpoint: str, error: Exception) -> str:
    """One line for a model that does not load: config key, cause, remedy."""
    first = (str(error).strip() or repr(error)).splitlines()[0]
    key, local = f"models.{name}.source", os.path.isdir(checkpoint)
    cause, remedy = f"does not load as a model ({first})", "train or download it again"
    if local and (torn := _torn(Path(checkpoint))):
        return f"{key}: {torn}: expected a JSON file, found other content; download it again"
    if "out of memory" in first:
        remedy = f"set models.{name}.devices or a smaller dtype"
    elif FOREIGN.search(first):
        remedy = "use engine: vllm if that knows it"
    elif "backend tokenizer" in first:
        cause = "has no tokenizer (expected tokenizer.json)"
    elif not local:
        cause = f"is neither a folder nor in the local cache and cannot be downloaded ({first})"
        where = f"{checkpoint} --revision <models.{name}.revision>"
        remedy = f"run `hf download {where}` on a machine with network, or name a folder"
    return f"{key}: {checkpoint} {cause}; {remedy}"


def _torn(folder: Path) -> Path | None:
    """The first file of a folder that should hold a JSON object and does not."""
    for path in (folder / name for name in OBJECTS):
        try:
            if path.exists() and not isinstance(json.loads(path.read_bytes()), dict):
                return path
        except ValueError:
            return path
    return None


def not_finite(name: str, dtype: str) -> str:
    """One line for a model whose logits are NaN or infinite: config key, cause, remedy."""
    remedy = f"set models.{name}.dtype: bfloat16 or float32"
    if dtype in ("float32", "float64"):
        remedy = "its weights are damaged; download the model again"
    return (
        f"models.{name}.dtype: expected finite logits, found NaN or infinite ones with dtype "
        f"{dtype}; {remedy}"
    )
