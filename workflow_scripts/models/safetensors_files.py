"""Headers and lists of shards of safetensors files, read without the weights."""

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


class Header(NamedTuple):
    """What a file says of itself: where its first tensor starts, in bytes, and its tensors."""

    start: int
    tensors: dict[str, dict[str, Any]]


def header(path: Path) -> Header | None:
    """The header of a safetensors file; None if it has no whole one."""
    with path.open("rb") as stream:
        begin = stream.read(8)
        size = struct.unpack("<Q", begin)[0] if len(begin) == 8 else LARGEST_HEADER + 1
        if size > LARGEST_HEADER or len(text := stream.read(size)) < size:
            return None
    try:
        tensors = json.loads(text)
    except ValueError:
        return None
    tensors.pop("__metadata__", None)
    return Header(8 + size, tensors)


def shards(index: Path) -> list[str] | None:
    """The files that an index of shards names; None if it is no such index."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError):
        return None
