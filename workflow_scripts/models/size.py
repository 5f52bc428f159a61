"""How large a model is, and the memory and GPUs that its jobs ask for.

Read from headers and configs, without loading anything: rules ask before a job starts.
"""

import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_scripts.models.registry import checkpoint
from workflow_scripts.models.safetensors_files import INDEX, WEIGHTS, header, shards
from workflow_scripts.shared.sources import gguf_file, is_gguf

BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
BYTES["auto"] = BYTES["float32"]  # at most; the job's machine decides
MB = 1e6
PACKED_BYTES = 2_000_000_000  # at most, for packed weights (`inference.packing`)
GGUF_PARAMETERS = 2  # at most, per byte of a file: 4 bits each
# Of what is measured, for what lies between measurements (docs/add_a_model.md).
SPARE = 1.1

SIZE_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)([bBmM])\b")
UNITS = {"b": 1, "m": 1000}  # per billion

Config = dict[str, Any]


def parameters(config: Config, name: str) -> int | None:
    """Number of a model's parameters; None if its files are not on this machine.

    0 for a model on a server, and for a trained one, which is small beside the libraries.
    """
    spec = config["models"][name]
    if spec.get("engine") == "openai" or spec["source"] == "train":
        return 0
    found = _files(config, name)
    if found:
        return sum(map(_parameters_of, found))
    if is_gguf(spec) and (file := gguf_file(spec)) and os.path.isfile(file):
        return GGUF_PARAMETERS * os.path.getsize(file)
    return None


def billions(source: str) -> float | None:
    """Parameters of a hub model in billions, as its name says; None if it does not."""
    found = SIZE_IN_NAME.findall(source)
    return float(found[-1][0]) / UNITS[found[-1][1].lower()] if found else None


def cache_bytes(config: Config, name: str) -> int:
    """Bytes of a model's keys and values per token; 0 if its config is not on this machine."""
    found = text_config(config, name) or {}
    layers, heads = found.get("num_hidden_layers"), found.get("num_attention_heads")
    if not layers or not heads:
        return 0
    width = found.get("head_dim") or found["hidden_size"] // heads
    kept = found.get("num_key_value_heads") or heads
    return 2 * layers * kept * width * BYTES[config["models"][name].get("dtype", "float32")]


def text_config(config: Config, name: str) -> Config | None:
    """The decoder's part of a model's config.json; None if that is not on this machine."""
    path = _file(config, name, "config.json")
    if path is None:
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    own: Config = found.get("text_config", found)
    return own


def memory_mb(config: Config, name: str, copies: float = 0) -> int:
    """Memory of a job that loads a model: the config's value and, where known, the model's size.

    `copies` is the number of float64 copies of the model that the job makes. The size is that of
    the weights, and where no GPU holds them that of the copies, of the packed weights of engine
    transformers, and of the keys and values of two batches: one that is read, one that grows.
    """
    spec, base = config["models"][name], config["inference"]["mem_mb"]
    count = parameters(config, name)
    if not count:
        return base
    held = count * BYTES[spec.get("dtype", "float32")]
    if not gpus(config, name):
        tokens = spec.get("batch_tokens", config["inference"]["batch_tokens"])
        held += min(held, PACKED_BYTES) if spec.get("engine") != "vllm" else 0
        held += count * copies * BYTES["float64"] + 2 * tokens * cache_bytes(config, name)
    return base + math.ceil(SPARE * held / MB)


def gpus(config: Config, name: str) -> int:
    """GPUs of a job that loads a model: those that share it, or else `inference.gpu`.

    0 for a model on a server.
    """
    spec = config["models"][name]
    if spec.get("engine") == "openai":
        return 0
    shared = max(spec.get("devices", 1), spec.get("tensor_parallel", 1))
    return max(config["inference"]["gpu"], shared if shared > 1 else 0)


def asked_mb(config: Config, copies: float = 0) -> Callable[[Any], int]:
    """A function of wildcards: `memory_mb` of their model."""

    def of_model(wildcards: Any) -> int:
        return memory_mb(config, wildcards.model, copies)

    return of_model


def _files(config: Config, name: str) -> list[Path]:
    """The safetensors files of a model; none if one of them is not here."""
    index = _file(config, name, INDEX)
    names = [WEIGHTS] if index is None else shards(index) or []
    found = [_file(config, name, each) for each in names]
    return [path for path in found if path] if all(found) else []


def _file(config: Config, name: str, file: str) -> Path | None:
    """A file of the model's checkpoint, in its folder or in the hub's cache."""
    where = checkpoint(config["models"], name)
    if os.path.isdir(where):
        return path if (path := Path(where) / file).is_file() else None
    if "revision" not in (spec := config["models"][name]):
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(where, file, revision=spec["revision"])
    return Path(found) if isinstance(found, str) else None


def _parameters_of(path: Path) -> int:
    """Numbers in a safetensors file, by its header; 0 for another file, which no engine loads."""
    found = header(path)
    return sum(math.prod(each["shape"]) for each in found.tensors.values()) if found else 0
