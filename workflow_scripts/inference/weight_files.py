"""Finds damaged files in a model's folder, and weights that do not fit its architecture.

transformers initialises missing weights with random numbers and ignores unknown ones, with no more
than a warning: both would be measured as if they were the model.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.models import safetensors_files
from workflow_scripts.models.safetensors_files import header, shards

POINTER = b"version https://git-lfs.github.com/spec"  # the first line of a git-lfs pointer
WEIGHTS = ("*.safetensors", "*.bin")
# What the engines load, in this order: others may name files that nobody downloaded.
INDICES = (
    safetensors_files.WEIGHTS,
    safetensors_files.INDEX,
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
READ = (*WEIGHTS, "*.json", "*.model", "*.txt", "*.jinja")
PARTIAL = ("*.incomplete", ".cache/huggingface/download/**/*.incomplete", "*.part", "*.aria2")


def refuse_damaged(name: str, checkpoint: str) -> None:
    """Raise `EngineError`, one line with the file, for a folder that was not completely downloaded.

    Reads the first bytes of its files, no weights. A hub id passes: the hub's cache checks itself.
    """
    if os.path.isdir(checkpoint) and (problem := next(_problems(Path(checkpoint)), None)):
        raise EngineError(f"models.{name}.source: {problem}")


def _problems(folder: Path) -> Iterator[str]:
    for path in sorted({path for pattern in READ for path in folder.glob(pattern)}):
        with path.open("rb") as stream:
            head = stream.read(len(POINTER))
        if head == POINTER:
            yield (
                f"{path}: expected the file, found a git-lfs pointer to it; run `git lfs pull` in "
                "its folder"
            )
    if index := next((folder / name for name in INDICES if (folder / name).is_file()), None):
        named = shards(index) if index.suffix == ".json" else [index.name]
        if named is None:
            yield f"{index}: expected the list of a model's shards, found other content" + _again(
                folder
            )
        for shard in named or ():
            if not (folder / shard).is_file():
                yield f"{folder / shard}: named by {index.name}, but missing" + _again(folder)
    if not (folder / "config.json").is_file() and (folder / "params.json").is_file():
        yield (
            f"{folder}: expected config.json, found params.json of Mistral's own format; download "
            "config.json and the model-*.safetensors files of the same model"
        )
    if not any(path for pattern in WEIGHTS for path in folder.glob(pattern)):
        yield f"{folder}: expected weights (*.safetensors), found none" + _again(folder)
    for path in sorted(folder.glob("*.safetensors")):
        expected = _size(path)
        if expected != path.stat().st_size:
            found = f"found {path.stat().st_size}; it is torn, so download it again"
            yield f"{path}: expected {expected or 'a header and its'} bytes, {found}"


def _again(folder: Path) -> str:
    parts = [path for pattern in PARTIAL for path in sorted(folder.glob(pattern))]
    found = f" (the download stopped at {parts[0]})" if parts else ""
    return f"{found}; train or download it again"


def _size(path: Path) -> int | None:
    """Bytes that a safetensors file must have by its header; None without a whole header."""
    found = header(path)
    if found is None:
        return None
    return found.start + max(
        (each["data_offsets"][1] for each in found.tensors.values()), default=0
    )


def refuse_misfit(name: str, checkpoint: str, kind: str, loading: Mapping[str, Any]) -> None:
    """Raise `EngineError` for weights that do not fit; `loading` is transformers' loading info.

    `kind` is the architecture. Tied weights, and those that the architecture is known to ignore, do
    not count: transformers has removed them.
    """
    for tensor, found, expected in sorted(loading["mismatched_keys"]):
        raise EngineError(
            f"models.{name}.source: {_file(checkpoint, tensor)}: expected {tensor} of shape "
            f"{list(expected)}, as config.json says, found {list(found)}; take both from one model"
        )
    for key, what in (
        ("missing_keys", "lacks {}, which {} needs and would get as random numbers"),
        ("unexpected_keys", "has {}, which {} does not use"),
    ):
        if found := sorted(loading[key]):
            raise EngineError(
                f"models.{name}.source: {checkpoint} {what.format(_counted(found), kind)}; take "
                "config.json and weights from one model, or use engine vllm if it knows the "
                "architecture"
            )


def _counted(tensors: list[str]) -> str:
    more = f" and {len(tensors) - 1} more tensors" if len(tensors) > 1 else ""
    return f"{tensors[0]}{more}"


def _file(checkpoint: str, tensor: str) -> str:
    """The file of a folder that holds a tensor; the folder if no file names it so."""
    files: Iterable[Path] = sorted(Path(checkpoint).glob("*.safetensors"))
    holds = (str(path) for path in files if (each := header(path)) and tensor in each.tensors)
    return next(holds, checkpoint)
