"""What a server model has cost so far, and the ceilings on it.

One append-only file for each model at its address, shared by all jobs that ask it, at once or one
after the other, and kept in `work/`. Before a request its worst case is written down, afterwards
the difference to what it was: so the ceilings hold with many requests on their way, and what a
killed job had on its way counts in full.
"""

import fcntl
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.inference.tasks import EngineError


class CeilingError(EngineError):
    """A ceiling that the next request could exceed."""


@dataclass(frozen=True)
class Amount:
    """Requests sent, tokens read by the model, tokens written by it."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return self + Amount(-other.requests, -other.prompt_tokens, -other.completion_tokens)

    def cost(self, prices: dict[str, float]) -> float:
        """In the currency of `prices`, which are for a million tokens."""
        return (
            self.prompt_tokens * prices["prompt"] + self.completion_tokens * prices["completion"]
        ) / 1e6


class Spending:
    """The file's sum, and whether there is room for more."""

    def __init__(
        self, name: str, folder: Path, limits: dict[str, Any], prices: dict[str, float] | None
    ):
        self.name = name
        self.path = folder / "spent.jsonl"
        self.limits = limits
        self.prices = prices
        self.total = Amount()
        self._read = 0
        self._lock = threading.Lock()
        with self._open() as descriptor:
            self._catch_up(descriptor)

    def reserve(self, most: Amount) -> None:
        """Write down the worst case of a request. Raises `CeilingError` where it does not fit."""
        with self._lock, self._open() as descriptor:
            self._catch_up(descriptor)
            after = self.total + most
            for key, value in self._counted(after).items():
                if value > self.limits[key]:
                    spent = self._counted(self.total)[key]
                    raise CeilingError(
                        f"models.{self.name}: server.limits.{key} is {self.limits[key]:g}, spent "
                        f"are {spent:g}, and the next request may take {value - spent:g}; raise "
                        "the limit and run again: the replies so far are kept"
                    )
            self._add(descriptor, most)

    def settle(self, reserved: Amount, spent: Amount) -> None:
        """Replace a request's worst case by what it was."""
        with self._lock, self._open() as descriptor:
            self._catch_up(descriptor)
            self._add(descriptor, spent - reserved)

    def _counted(self, amount: Amount) -> dict[str, float]:
        counted: dict[str, float] = {
            "requests": amount.requests,
            "tokens": amount.prompt_tokens + amount.completion_tokens,
        }
        if self.prices is not None:
            counted["cost"] = amount.cost(self.prices)
        return {key: value for key, value in counted.items() if self.limits[key] is not None}

    def _open(self) -> "_Locked":
        return _Locked(self.path)

    def _catch_up(self, descriptor: int) -> None:
        data = os.pread(descriptor, os.fstat(descriptor).st_size - self._read, self._read)
        *lines, torn = data.split(b"\n")
        for line in lines:
            self.total += Amount(**json.loads(line))
        self._read += len(data) - len(torn)
        if torn:  # of a killed job: nobody else writes while the file is locked
            os.ftruncate(descriptor, self._read)

    def _add(self, descriptor: int, amount: Amount) -> None:
        line = json.dumps(vars(amount)).encode() + b"\n"
        os.write(descriptor, line)
        self._read += len(line)
        self.total += amount


class _Locked:
    """The file, open and locked against other processes."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> int:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
