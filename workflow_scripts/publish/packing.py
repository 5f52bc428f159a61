"""A zip that is the same bytes for the same content, with a manifest that finds every change."""

import calendar
import hashlib
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

MANIFEST = "manifest-sha256.txt"  # in the format of sha256sum, so that `sha256sum -c` reads it too
EPOCH = 315532800.0  # 1980-01-01, where the times of a zip begin


class ArchiveError(ValueError):
    """An archive that cannot be made or read; the message names the file."""


@dataclass(frozen=True)
class Member:
    """One file of an archive: its bytes, or how to read them, and its time in s since 1970.

    Read when asked for and not kept, so that an archive may be larger than memory.
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


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def manifest(members: Mapping[str, Member]) -> bytes:
    """One line a file, `<sha256>  <path>`, by path."""
    lines = (f"{member.digest}  {name}\n" for name, member in sorted(members.items()))
    return "".join(lines).encode()


def write(members: Mapping[str, Member], path: Path) -> None:
    """Write the files and their manifest as a zip whose bytes depend on nothing else.

    Raises `ArchiveError` where a file bears the manifest's name, or is other than when it was
    first read.
    """
    if MANIFEST in members:
        raise ArchiveError(f"{MANIFEST}: the name is taken by the manifest")
    everything = {**members, MANIFEST: Member(manifest(members))}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for name, member in sorted(everything.items()):
            entry = zipfile.ZipInfo(name, time.gmtime(max(member.time_s, EPOCH))[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is written, so that the mode is read
            entry.external_attr = 0o100644 << 16
            data = member.data
            if sha256(data) != member.digest:
                raise ArchiveError(f"{name}: changed while it was being archived")
            bundle.writestr(entry, data)


def read(path: Path) -> tuple[dict[str, Member], list[str]]:
    """The files that can be read, manifest included, and a line for each one that cannot.

    Raises `ArchiveError` when the file is no zip at all.
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
            problems.append(f"{name}: there twice")
        elif PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            problems.append(f"{name}: leads out of the archive")
        else:
            try:
                _ = member.digest
            except Exception as error:  # a damaged stream fails in many ways
                problems.append(f"{name}: damaged ({error})")
            else:
                members[name] = member
        seen.add(name)
    return members, problems


def compare(members: Mapping[str, Member], unreadable: Iterable[str] = ()) -> list[str]:
    """What differs between the files and their manifest, one line each; nothing if all agree.

    `unreadable` are lines that `read` gave: their files are there, and not called missing.
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
            problems.append(f"{name}: added, the manifest does not know it")
        elif members[name].digest != stated[name]:
            problems.append(f"{name}: changed, its SHA-256 is not the manifest's")
    return problems
