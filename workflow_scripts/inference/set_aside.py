"""Paid replies that were refused, kept for the day when the config accepts them."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files, filesystem


class SetAside:
    """Whole replies by the request that they answer; thread-safe, one file for all jobs."""

    def __init__(self, folder: Path):
        self.path = folder / "set_aside.jsonl"
        self._lock = threading.Lock()
        self._kept: dict[str, list[dict[str, Any]]] = {}
        if self.path.exists():
            for line in self.path.read_bytes().split(b"\n"):
                try:
                    kept = json.loads(line)
                    self._kept.setdefault(kept["request"], []).append(kept["reply"])
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a killed job

    def get(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The replies to a request (path and body) that were set aside."""
        return list(self._kept.get(files.content_hash([path, body]), ()))

    def put(self, path: str, body: dict[str, Any], reply: dict[str, Any]) -> None:
        """Keep a reply; on return it is on disk."""
        name = files.content_hash([path, body])
        # A line break first: a killed job may have left the beginning of a line.
        data = b"\n" + json.dumps({"request": name, "reply": reply}).encode() + b"\n"
        with self._lock:
            self._kept.setdefault(name, []).append(reply)
            descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
                filesystem.sync(descriptor)
            finally:
                os.close(descriptor)
