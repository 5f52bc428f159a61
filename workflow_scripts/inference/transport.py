"""JSON over HTTP to a server that may be slow, full, broken or wrong: a call until it is good.

Keys come from the environment and stay there: never in a message, and cut out of whatever the
server sends back.
"""

import email.utils
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
import tenacity

from workflow_scripts.inference.spending import Amount, Spending
from workflow_scripts.inference.tasks import EngineError

T = TypeVar("T")

LARGEST_BYTES = 64 << 20  # a reply beyond it is not a reply
TOO_LONG = re.compile(r"context.{0,12}length|context window|too long|max_model_len", re.I)
BUSY = {408, 409, 425, 429}  # and all from 500 on: later it may work

logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each request otherwise


class Unusable(Exception):
    """An attempt without a usable reply. `billed` when the server may have done the work."""

    def __init__(self, reason: str, billed: bool, after_s: float = 0.0):
        super().__init__(reason)
        self.billed = billed
        self.after_s = after_s


class TooLong(Exception):
    """The prompt and the reply's limit do not fit into the model's context."""


class Stopped(Exception):
    """No more attempts: the run is ending."""


class Transport:
    """Calls to one server: at a bounded rate, with backoff, within the ceilings."""

    def __init__(
        self,
        name: str,
        settings: dict[str, Any],
        key: str | None,
        spending: Spending,
        stopping: threading.Event,
    ):
        self.name = name
        self.settings = settings
        self.key = key
        self.spending = spending
        self.stopping = stopping
        self.gate = Gate(settings["requests_per_min"], stopping)
        self.client = httpx2.Client(
            timeout=settings["timeout_s"],
            limits=httpx2.Limits(max_connections=settings["concurrency"]),
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
        )

    def call(
        self,
        url: str,
        body: dict[str, Any],
        most: Amount,
        read: Callable[[dict[str, Any]], tuple[T, Amount]],
    ) -> tuple[T, Amount]:
        """What `read` makes of the reply to `body`, and what it cost.

        `most` is the worst that the call can cost. `read` raises `Unusable` for a reply that is
        not one to `body`; its second value is what the server says the call cost. Raises
        `EngineError` when the server refuses or stays unusable, `TooLong`, `Stopped`, and
        `CeilingError`.
        """
        wait = tenacity.wait_random_exponential(max=self.settings["longest_wait_s"])
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unusable),
            stop=tenacity.stop_after_attempt(self.settings["attempts"])
            | tenacity.stop_when_event_set(self.stopping),
            wait=lambda state: max(wait(state), _after(state)),
            sleep=tenacity.sleep_using_event(self.stopping),
            reraise=True,
        )
        try:
            return attempts(self._attempt, url, body, most, read)
        except Unusable as error:
            if self.stopping.is_set():
                raise Stopped from error
            raise EngineError(
                f"models.{self.name}: no usable reply from {url} in {self.settings['attempts']} "
                f"attempts, the last: {error}; the replies so far are kept, run again to go on"
            ) from error

    def _attempt(
        self,
        url: str,
        body: dict[str, Any],
        most: Amount,
        read: Callable[[dict[str, Any]], Any],
    ) -> Any:
        self.gate.wait()
        self.spending.reserve(most)
        spent = Amount(requests=1)
        try:
            reply = self._post(url, body)
            try:
                result, spent = read(reply)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                what = f"not a reply to the request ({type(error).__name__}: {error})"
                raise Unusable(what, billed=True) from error
        except Unusable as error:
            if error.billed:
                spent = most
            self.gate.pause(error.after_s)
            raise
        finally:
            self.spending.settle(most, spent)
        return result, spent

    def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        sent = f"faultlines-{uuid.uuid4().hex}"
        until = time.monotonic() + self.settings["timeout_s"]
        data = b""
        try:
            with self.client.stream(
                "POST", url, json=body, headers={"X-Request-Id": sent}
            ) as response:
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > LARGEST_BYTES:
                        raise Unusable(f"a reply of more than {LARGEST_BYTES >> 20} MiB", True)
                    if time.monotonic() > until:
                        raise Unusable(f"no end after {self.settings['timeout_s']} s", True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Unusable(f"no connection ({type(error).__name__})", billed=False) from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Unusable(f"the connection broke ({type(error).__name__})", True) from error
        if self.key:
            data = data.replace(self.key.encode(), b"[key]")
        if response.status_code != 200:
            raise self._refusal(url, response, data)
        returned = response.headers.get("x-request-id", sent)
        if returned.startswith("faultlines-") and returned != sent:
            raise Unusable("a reply to another request (X-Request-Id)", billed=True)
        try:
            reply = json.loads(data)
        except ValueError as error:
            raise Unusable("a reply that is not JSON", billed=True) from error
        if not isinstance(reply, dict):
            raise Unusable("a reply that is no JSON object", billed=True)
        return reply

    def _refusal(self, url: str, response: httpx2.Response, data: bytes) -> Exception:
        status, (code, message) = response.status_code, _complaint(data)
        if self.key:  # some servers repeat its beginning
            message = re.sub(re.escape(self.key[:8]) + r"\S*", "[key]", message)
        where = f"models.{self.name}: {url}"
        if status in (401, 403):
            variable = self.settings.get("key_variable")
            told = f"the key in {variable}" if variable else "requests without a key"
            return EngineError(f"{where} refuses {told} (status {status})")
        if status == 404:
            return EngineError(f"{where} is not there, or does not know the model: {message}")
        if status in (400, 413, 422) and (
            code == "context_length_exceeded" or TOO_LONG.search(message)
        ):
            return TooLong(message)
        if code == "insufficient_quota":
            return EngineError(f"{where}: the account has no credit left: {message}")
        if status not in BUSY and status < 500:
            return EngineError(f"{where} refuses the request (status {status}): {message}")
        after = _retry_after(response.headers.get("retry-after"))
        if after > self.settings["longest_wait_s"]:
            return EngineError(
                f"{where} asks to wait {after:.0f} s, longer than server.longest_wait_s "
                f"({self.settings['longest_wait_s']}); the replies so far are kept, run again later"
            )
        return Unusable(f"status {status}: {message}", billed=False, after_s=after)


class Gate:
    """Lets callers through one by one: at a bounded rate, and never while the server is paused."""

    def __init__(self, per_min: float, stopping: threading.Event):
        self.interval_s = 60 / per_min
        self.stopping = stopping
        self._next = 0.0  # the next free turn
        self._open = 0.0  # no turn before it counts
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        """Let nobody through for that long, those included who have their turn already."""
        with self._lock:
            self._open = max(self._open, time.monotonic() + seconds)

    def wait(self) -> None:
        """Return when it is the caller's turn. Raises `Stopped` when there are no more turns."""
        while True:
            with self._lock:
                turn = max(time.monotonic(), self._next, self._open)
                self._next = turn + self.interval_s
            if self.stopping.wait(max(0.0, turn - time.monotonic())):
                raise Stopped
            if self._open <= turn:
                return


def _after(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.after_s if isinstance(error, Unusable) else 0.0


def _retry_after(value: str | None) -> float:
    """Seconds, given as such or as a date; 0 where there is nothing readable."""
    if value is None:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


def _complaint(data: bytes) -> tuple[str, str]:
    """Code and message of an error reply, in whichever of the usual shapes; one short line."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        found = found.get("error", found)
        code = str(found.get("code", "")) if isinstance(found, dict) else ""
        message = (
            str(found.get("message") or found.get("detail") or found)
            if isinstance(found, dict)
            else str(found)
        )
    except (ValueError, AttributeError):
        code, message = "", text
    return code, " ".join(message.split())[:300]
