"""JSON over HTTP with retries, for servers that may be slow, overloaded, broken or wrong.

Keys come from the environment and are written nowhere: they are removed from everything that the
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

LARGEST_BYTES = 64 << 20  # maximum size of a reply
TOO_LONG = re.compile(r"context.{0,12}length|context window|too long|max_model_len", re.I)
BUSY = {408, 409, 425, 429}  # statuses to retry, with all from 500 up

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request otherwise


class Unusable(Exception):
    """An attempt without a usable reply. `billed` is True if the server may charge for it."""

    def __init__(self, reason: str, billed: bool, after_s: float = 0.0):
        super().__init__(reason)
        self.billed = billed
        self.after_s = after_s


class TooLong(Exception):
    """Prompt and reply limit together exceed the model's context."""


class Stopped(Exception):
    """No more attempts: the run is ending."""


class Transport:
    """Calls to one server, with limits on rate and spending, and with backoff."""

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
        """The result of `read` on the reply to `body`, and the cost of the call.

        `most` is the maximum cost. `read` returns its result and the cost reported by the server;
        it raises `Unusable` for a reply that does not belong to `body`. Raises `EngineError` if
        the server refuses or gives no usable reply, `TooLong`, `Stopped` and `CeilingError`.
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
                f"attempts, the last: {error}; the replies so far are stored, run again to resume"
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
                what = f"the reply does not fit the request ({type(error).__name__}: {error})"
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
                        raise Unusable(
                            f"no complete reply after {self.settings['timeout_s']} s", True
                        )
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
            raise Unusable("a reply that is not a JSON object", billed=True)
        return reply

    def _refusal(self, url: str, response: httpx2.Response, data: bytes) -> Exception:
        status, (code, message) = response.status_code, _complaint(data)
        if self.key:  # some servers repeat the first characters of the key
            message = re.sub(re.escape(self.key[:8]) + r"\S*", "[key]", message)
        where = f"models.{self.name}: {url}"
        if status in (401, 403):
            variable = self.settings.get("key_variable")
            told = f"the key in {variable}" if variable else "requests without a key"
            return EngineError(f"{where} refuses {told} (status {status})")
        if status == 404:
            return EngineError(f"{where} does not exist, or does not know the model: {message}")
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
                f"({self.settings['longest_wait_s']}); stored replies are kept, run again later"
            )
        return Unusable(f"status {status}: {message}", billed=False, after_s=after)


class Gate:
    """Admits callers one by one, at a limited rate and not while the server is paused."""

    def __init__(self, per_min: float, stopping: threading.Event):
        self.interval_s = 60 / per_min
        self.stopping = stopping
        self._next = 0.0  # time of the next free turn
        self._open = 0.0  # earlier turns are not valid
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        """Admit no caller for that long, not even those that already have a turn."""
        with self._lock:
            self._open = max(self._open, time.monotonic() + seconds)

    def wait(self) -> None:
        """Return at the caller's turn. Raises `Stopped` when the run is ending."""
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
    """Seconds to wait, from a number or a date; 0 if the value cannot be parsed."""
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
    """Code and message of an error reply in any of the usual formats; one short line."""
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
