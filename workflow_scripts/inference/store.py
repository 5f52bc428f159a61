"""Responses on disk as they arrive: a folder of append-only JSON-lines shards.

Each process that has something to add makes a shard of its own (a name nobody else can have made),
so no file has two writers and no lock is needed, on a network file system either. A batch is one
write followed by fsync. What a killed process leaves half written is the last line of its shard,
which readers drop and count and which nobody appends to.
"""

import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.inference.tasks import Record

Key = tuple[str, int]


class Store:
    """Records by (request_id, sample). `torn` counts the half-written lines that were dropped."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.torn = 0
        self.records: dict[Key, Record] = {}
        self._shard: int | None = None
        # Oldest shard first: where two processes did the same task, the first answer stands.
        for shard in sorted(self.folder.glob("*.jsonl")):
            self._read(shard)

    def append(self, batch: Sequence[Record]) -> None:
        """Keep a batch; on return it is on disk."""
        if not batch:
            return
        if self._shard is None:
            self._shard = self._new_shard()
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in batch)
        data = lines.encode()
        while data:
            data = data[os.write(self._shard, data) :]
        os.fsync(self._shard)
        for record in batch:
            self.records.setdefault(_key(record), record)

    def close(self) -> None:
        """Let go of the shard."""
        if self._shard is not None:
            os.close(self._shard)
            self._shard = None

    def _new_shard(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        return os.open(
            self.folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644
        )

    def _read(self, shard: Path) -> None:
        lines = shard.read_bytes().split(b"\n")
        if lines.pop():
            self.torn += 1
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                self.records.setdefault(_key(record), record)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{shard}: line {number} is not a response ({error}); only a last line can be "
                    "half written, so this file was damaged: delete it and run again"
                ) from error


def _key(record: Record) -> Key:
    return record["request_id"], record["sample"]
