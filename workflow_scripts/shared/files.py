"""Files that are either complete or absent: every output is written by this module."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow_scripts.shared import filesystem

WORK = Path("work")
UMASK = os.umask(0o077)  # read by setting it, at the import: a process has one for all threads
os.umask(UMASK)


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once the block succeeds.

    The data reach the disk before the name does (fsync of the file, rename, fsync of the
    folder), so a reader finds the old file, the new file, or none, but never a part of one.
    On an exception the temporary file is deleted and `path` is unchanged.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp creates private files; others may read results where the user's umask says so.
        filesystem.set_mode(temporary, 0o666 & ~UMASK)
        filesystem.sync_path(temporary)
        os.replace(temporary, path)
        filesystem.sync_path(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder; rename it to `path` once the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        for entry in temporary.rglob("*"):
            filesystem.set_mode(entry, (0o777 if entry.is_dir() else 0o666) & ~UMASK)
            filesystem.sync_path(entry)
        filesystem.set_mode(temporary, 0o777 & ~UMASK)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
        filesystem.sync_path(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON with sorted keys and without NaN, whole or not at all."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises `ValueError` naming a file that cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def content_hash(content: Any) -> str:
    """Hash plain values (numbers, text, lists, dicts) by their canonical JSON: 16 hex digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_hash(path: str | Path) -> str:
    """Hash a file by its bytes: 16 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def work_folder(kind: str, **determinants: Any) -> Path:
    """Folder for a job's partial state: `work/<kind>/<hash of everything that determines it>`.

    No rule declares it, so Snakemake neither empties nor restores it when a job restarts.
    """
    folder = WORK / kind / content_hash(determinants)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
