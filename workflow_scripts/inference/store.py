"""Responses on disk as they arrive: a folder of append-only JSON-lines shards.

Each process writes to its own shard, which has a unique name. No file has two writers, so no lock
is needed, even on a network file system. A batch is one write followed by fsync. A killed process
can leave only the last line of its shard incomplete; readers drop and count it, and no process
appends to that shard.

Memory holds the location of each record, not the record: replies may be long and numerous.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from workflow_scripts.inference.tasks import Record
from workflow_scripts.shared import filesystem

Key = tuple[str, int]
OPEN_SHARDS = 32  # a folder may contain more files than a process may open
OFFSET_BITS = 44  # a location is shard << 44 | offset, one integer; shards of up to 16 TiB


class Store(Mapping[Key, Record]):
    """Records by (request_id, sample). `torn` counts the incomplete lines that were dropped.

    `current` gives the hash of the prompt that a request has now. Stored records of another prompt
    are left out and counted in `outdated`; those that do not know theirs are kept.
    """

    def __init__(self, folder: str | Path, current: Callable[[str], str | None] | None = None):
        self.folder = Path(folder)
        self.current = current
        self.torn = 0
        self.outdated = 0
        self._places: dict[Key, int] = {}
        self._shards: list[Path] = []
        self._open: dict[int, BinaryIO] = {}
        self._own: tuple[int, int] | None = None  # number and descriptor of this process's shard
        # Oldest shard first: if two processes did the same task, the first response is kept.
        for shard in sorted(self.folder.glob("*.jsonl")):
            self._read(shard)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: Key) -> Record:
        place = self._places[key]
        stream = self._stream(place >> OFFSET_BITS)
        stream.seek(place & ((1 << OFFSET_BITS) - 1))
        return json.loads(stream.readline())

    def __iter__(self) -> Iterator[Key]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def append(self, batch: Sequence[Record]) -> None:
        """Store a batch; on return it is on disk."""
        if not batch:
            return
        if self._own is None:
            self._own = self._new_shard()
        number, descriptor = self._own
        at = os.fstat(descriptor).st_size
        lines = [_line(record) for record in batch]
        data = b"".join(lines)
        while data:
            data = data[os.write(descriptor, data) :]
        filesystem.sync(descriptor)
        for record, line in zip(batch, lines, strict=True):
            self._keep(record, number, at)
            at += len(line)

    def close(self) -> None:
        """Close the files. Records can still be read."""
        if self._own is not None:
            os.close(self._own[1])
            self._own = None
        self._close_streams()

    def _close_streams(self) -> None:
        for stream in self._open.values():
            stream.close()
        self._open.clear()

    def _stream(self, number: int) -> BinaryIO:
        if number not in self._open:
            if len(self._open) >= OPEN_SHARDS:
                self._close_streams()
            self._open[number] = self._shards[number].open("rb")
        return self._open[number]

    def _new_shard(self) -> tuple[int, int]:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._shards.append(self.folder / name)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
        return len(self._shards) - 1, os.open(self._shards[-1], flags, 0o666)

    def _keep(self, record: Record, shard: int, offset: int) -> None:
        # All samples of a request share one string object.
        key = sys.intern(record["request_id"]), record["sample"]
        self._places.setdefault(key, shard << OFFSET_BITS | offset)

    def _of_another_prompt(self, record: Record) -> bool:
        if self.current is None or "rendered" not in record:
            return False
        return self.current(record["request_id"]) not in (None, record["rendered"])

    def _read(self, shard: Path) -> None:
        self._shards.append(shard)
        at = 0
        with shard.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if not line.endswith(b"\n"):
                    self.torn += 1
                    break
                try:
                    record = json.loads(line)
                    if self._of_another_prompt(record):
                        self.outdated += 1
                    else:
                        self._keep(record, len(self._shards) - 1, at)
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(
                        f"{shard}: line {number} is not a response ({error}); only the last line "
                        "can be incomplete, so this file is damaged: delete it and run again"
                    ) from error
                at += len(line)


def _line(record: Record) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair: one bad text must not cost the whole batch
        return json.dumps(record).encode() + b"\n"
