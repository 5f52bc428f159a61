"""Installed packages, hardware, and models with the hashes of their weights."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


def packages() -> str:
    """Installed packages as `name==version`, one per line, sorted by name."""
    found = {
        (entry.metadata["Name"] or "").lower().replace("_", "-"): entry.version
        for entry in metadata.distributions()
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()) if name)


def hardware() -> dict[str, Any]:
    """System, processor, memory and GPUs of this machine, without its name."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "gpus": _gpus(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "byteorder": sys.byteorder,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    query = "--query-gpu=name,memory.total,driver_version"
    command = ["nvidia-smi", query, "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.strip().splitlines()


def models(
    config: dict[str, Any], checkpoints: Mapping[str, str], folder: Path
) -> dict[str, dict[str, Any]]:
    """Settings of each model of the config and the SHA-256 of its weights, if they are here.

    `checkpoints` maps a model to a folder, relative to the run's `folder` unless absolute, or to a
    hub id, whose weights are in the hub's cache if this machine has them.
    """
    found = {}
    for name, spec in config["models"].items():
        weights = _weights(_weights_folder(checkpoints[name], spec.get("revision"), folder))
        found[name] = {**spec, "weights_sha256": weights or None}
    return found


def _weights(place: Path | None) -> dict[str, str]:
    if place is None:
        return {}
    paths = (path for path in sorted(place.rglob("*")) if path.suffix in WEIGHTS)
    return {path.relative_to(place).as_posix(): sha256(path) for path in paths if path.is_file()}


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _weights_folder(checkpoint: str, revision: str | None, folder: Path) -> Path | None:
    place = folder / checkpoint
    if place.is_dir():
        return place
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface"), "hub"
    )
    repository = "models--" + checkpoint.replace("/", "--")
    snapshot = Path(hub) / repository / "snapshots" / str(revision)
    return snapshot if snapshot.is_dir() else None
