"""What a server model has cost so far, and its spending limits.

There is one append-only file in `work/` per model and address, shared by all its jobs. Before a
request its maximum cost is recorded, afterwards the difference from the actual cost. The limits
therefore hold with many pending requests, and pending requests of a killed job count in full. On a
file system without locks, a request that together with those of other jobs exceeds a limit is
taken back before it is sent; this cannot be relied on across machines.
"""

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.shared import filesystem


class CeilingError(EngineError):
    """A spending limit that the next request could exceed."""


@dataclass(frozen=True)
class Amount:
    """Numbers of requests, prompt tokens and completion tokens."""

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
        """The cost in the currency of `prices`, which are per million tokens."""
        return (
            self.prompt_tokens * prices["prompt"] + self.completion_tokens * prices["completion"]
        ) / 1e6


class Spending:
    """The total of the file, and checks against the limits."""

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
        with self._open() as file:
            self._catch_up(file)

    def reserve(self, most: Amount) -> None:
        """Record the maximum cost of a request. Raises `CeilingError` if it exceeds a limit."""
        with self._lock, self._open() as file:
            self._catch_up(file)
            self._check(self.total, most)
            self._add(file, most)
            if not file.locked:
                try:
                    self._check(self.total - most, most)
                except CeilingError:
                    self._add(file, Amount() - most)
                    raise

    def settle(self, reserved: Amount, spent: Amount) -> None:
        """Replace a request's maximum cost by its actual cost."""
        with self._lock, self._open() as file:
            self._add(file, spent - reserved)

    def _check(self, spent: Amount, most: Amount) -> None:
        before = self._counted(spent)
        for key, value in self._counted(spent + most).items():
            if value > self.limits[key]:
                raise CeilingError(
                    f"models.{self.name}: server.limits.{key} is {self.limits[key]:g}, "
                    f"{before[key]:g} are spent, and the next request may cost "
                    f"{value - before[key]:g}; "
                    "raise the limit and run again: the replies so far are stored"
                )

    def _counted(self, amount: Amount) -> dict[str, float]:
        counted: dict[str, float] = {
            "requests": amount.requests,
            "tokens": amount.prompt_tokens + amount.completion_tokens,
        }
        if self.prices is not None:
            counted["cost"] = amount.cost(self.prices)
        return {key: value for key, value in counted.items() if self.limits[key] is not None}

    def _open(self) -> "_Ledger":
        return _Ledger(self.path)

    def _catch_up(self, file: "_Ledger") -> bytes:
        """Add the lines that the file has gained; return an incomplete last one."""
        size = os.fstat(file.descriptor).st_size
        data = os.pread(file.descriptor, size - self._read, self._read)
        *lines, torn = data.split(b"\n")
        for line in lines:
            if line.endswith(b"}"):  # else left by a killed job
                self.total += Amount(**json.loads(line))
        self._read += len(data) - len(torn)
        return torn

    def _add(self, file: "_Ledger", amount: Amount) -> None:
        torn = self._catch_up(file)
        if torn and file.locked:  # left by a killed job, since no other job is writing
            os.ftruncate(file.descriptor, self._read)
        start = b"\n" if torn and not file.locked else b""
        os.write(file.descriptor, start + json.dumps(vars(amount)).encode() + b"\n")
        self._catch_up(file)


class _Ledger:
    """The file, opened and, where the file system has locks, locked."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> Self:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self.locked = filesystem.lock(self.descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
