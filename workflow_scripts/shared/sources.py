"""What the `source` of a model's config entry names."""

import os
from typing import Any


def is_gguf(spec: dict[str, Any]) -> bool:
    """Whether a model's entry names a GGUF file: by its path, or in a package.

    The source of a model on a server is the server's name for it, whatever it looks like.
    """
    if spec.get("engine") == "openai":
        return False
    return not isinstance(spec["source"], str) or spec["source"].endswith(".gguf")


def dialect(config: dict[str, Any], spec: dict[str, Any]) -> str:
    """The dialect of a model's server: its own, or that of all servers."""
    return spec.get("server", {}).get("dialect", config["inference"]["server"]["dialect"])


def gguf_file(spec: dict[str, Any]) -> str | None:
    """Path of the GGUF file of a model's entry; None for one in a package, or no GGUF file."""
    source = spec["source"]
    if isinstance(source, str):
        return source if is_gguf(spec) else None
    return None if "package" in source else source["file"]


def local_path(spec: dict[str, Any]) -> str | None:
    """The absolute path of a model's folder or file outside the project; None without one."""
    path = gguf_file(spec) if is_gguf(spec) else spec["source"]
    return path if path and os.path.isabs(path) else None
