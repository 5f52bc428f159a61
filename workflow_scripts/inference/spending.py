"""What a server model has cost so far, and its spending limits.

There is one append-only file in `work/` per model and address, shared by all its jobs. Before a
request its maximum cost is recorded, afterwards the difference from the actual cost. The limits
therefore hold with many pending requests, and pending requests of a killed job count in full.
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
        with self._open() as descriptor:
            self._catch_up(descriptor)

    def reserve(self, most: Amount) -> None:
        """Record the maximum cost of a request. Raises `CeilingError` if it exceeds a limit."""
        with self._lock, self._open() as descriptor:
            self._catch_up(descriptor)
            after = self.total + most
            for key, value in self._counted(after).items():
                if value > self.limits[key]:
                    spent = self._counted(self.total)[key]
                    raise CeilingError(
                        f"models.{self.name}: server.limits.{key} is {self.limits[key]:g}, "
                        f"{spent:g} are spent, and the next request may cost {value - spent:g}; "
                        "raise the limit and run again: the replies so far are stored"
                    )
            self._add(descriptor, most)

    def settle(self, reserved: Amount, spent: Amount) -> None:
        """Replace a request's maximum cost by its actual cost."""
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
        if torn:  # left by a killed job: the file is locked, so no other job is writing
            os.ftruncate(descriptor, self._read)

    def _add(self, descriptor: int, amount: Amount) -> None:
        line = json.dumps(vars(amount)).encode() + b"\n"
        os.write(descriptor, line)
        self._read += len(line)
        self.total += amount


class _Locked:
    """The file, opened with an exclusive lock."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> int:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        return self.descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
