"""A zip with the same bytes for the same content, and a manifest that detects every change."""

import calendar
import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

MANIFEST = "manifest-sha256.txt"  # in the format of sha256sum, so `sha256sum -c` reads it
ELSEWHERE = "models-elsewhere"  # folder of placeholders for models that are not in the archive
INPUTS = "inputs-elsewhere"  # the same for other inputs from outside the project
PLACEHOLDER = "an input that is not in this archive"  # what a placeholder says it is
EPOCH = 315532800.0  # 1980-01-01, the earliest time that a zip can hold


class ArchiveError(ValueError):
    """An archive that cannot be written or read; the message names the file."""


@dataclass(frozen=True)
class Member:
    """A file of an archive: its bytes or a function that reads them, and its time in s since 1970.

    Bytes are read on demand and not kept, so an archive may be larger than memory.
    """

    content: bytes | Callable[[], bytes]
    time_s: float = EPOCH

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.content if isinstance(self.content, bytes) else self.content()

    @cached_property
    def _measured(self) -> tuple[str, int]:
        data = self.data
        return sha256(data), len(data)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes when they were first read, hexadecimal."""
        return self._measured[0]

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._measured[1]


def json_member(content: Any) -> Member:
    """A JSON file."""
    # Keys keep their order: for Snakemake, settings in another order are other settings.
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return Member((text + "\n").encode())


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def manifest(members: Mapping[str, Member]) -> bytes:
    """One line per file, `<sha256>  <path>`, sorted by path."""
    lines = (f"{member.digest}  {name}\n" for name, member in sorted(members.items()))
    return "".join(lines).encode()


def write(members: Mapping[str, Member], path: Path) -> None:
    """Write the files and their manifest as a zip whose bytes depend on nothing else.

    Raises `ArchiveError` if a file has the manifest's name, or changed after it was first read.
    """
    if MANIFEST in members:
        raise ArchiveError(f"{MANIFEST}: a result has the name of the manifest; rename it")
    everything = {**members, MANIFEST: Member(manifest(members))}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for name, member in sorted(everything.items()):
            entry = zipfile.ZipInfo(name, time.gmtime(max(member.time_s, EPOCH))[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix on every system, so the file mode is read
            entry.external_attr = 0o100644 << 16
            data = member.data
            if sha256(data) != member.digest:
                raise ArchiveError(f"{name}: changed while it was being archived")
            bundle.writestr(entry, data)


def read(path: Path) -> tuple[dict[str, Member], list[str]]:
    """The readable files, manifest included, and one line per file that cannot be read.

    Raises `ArchiveError` if the file is not a zip.
    """
    members: dict[str, Member] = {}
    problems = []
    try:
        bundle = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ArchiveError(f"{path}: cannot be read as a zip ({error})") from error
    seen = set()
    for entry in bundle.infolist():
        name = entry.filename
        # The times were written as UTC.
        member = Member(partial(bundle.read, entry), float(calendar.timegm(entry.date_time)))
        if name in seen:
            problems.append(f"{name}: occurs twice")
        elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            problems.append(f"{name}: points outside the archive")
        else:
            try:
                _ = member.digest
            except Exception as error:  # damage shows as many kinds of exception
                problems.append(f"{name}: damaged ({error})")
            else:
                members[name] = member
        seen.add(name)
    return members, problems


def compare(members: Mapping[str, Member], unreadable: Iterable[str] = ()) -> list[str]:
    """Differences between the files and their manifest, one line each.

    `unreadable` are the lines from `read`: these files exist and are not reported as missing.
    """
    if MANIFEST not in members:
        return [f"{MANIFEST}: missing"]
    stated = {}
    problems = []
    for number, line in enumerate(members[MANIFEST].data.decode(errors="replace").splitlines(), 1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or name in stated:
            problems.append(f"{MANIFEST}: line {number} cannot be read")
        else:
            stated[name] = digest
    damaged = {line.split(":")[0] for line in unreadable}
    for name in sorted(set(stated) | set(members) - {MANIFEST}):
        if name not in members:
            if name not in damaged:
                problems.append(f"{name}: missing")
        elif name not in stated:
            problems.append(f"{name}: not in the manifest")
        elif members[name].digest != stated[name]:
            problems.append(f"{name}: changed: its SHA-256 differs from the manifest")
    return problems
