"""JSON over HTTP with retries, for servers that may be slow, overloaded, broken or wrong.

Keys come from the environment and are written nowhere: they are removed from everything that the
server sends back.
"""

import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
import tenacity

from workflow_scripts.inference import connection, refusals
from workflow_scripts.inference.spending import Amount, Spending
from workflow_scripts.inference.tasks import EngineError

T = TypeVar("T")

LARGEST_BYTES = 64 << 20  # maximum size of a reply
BUSY = {408, 409, 425, 429}  # statuses to retry, with all from 500 up

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request otherwise


class Unusable(Exception):
    """An attempt without a usable reply. `billed` is True if the server may charge for it."""

    def __init__(self, reason: str, billed: bool, after_s: float = 0.0):
        super().__init__(reason)
        self.billed = billed
        self.after_s = after_s


class Unfit(Exception):
    """A whole reply that lacks what the request needs; another attempt would lack it too."""


class Refused(EngineError):
    """The server does not accept the request; `words` is what it says."""

    def __init__(self, message: str, words: str):
        super().__init__(message)
        self.words = words


class TooLong(Exception):
    """Prompt and reply limit together exceed the model's context; says so in the server's words."""


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
        self.proxy = connection.proxy_of(settings["url"])
        self.client = connection.client(
            name,
            settings["url"],
            self.proxy,
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
        it raises `Unusable` for a reply that does not belong to `body`, and `Unfit` for one that
        lacks what is needed. Raises `EngineError` if the server refuses or gives no usable reply,
        `TooLong`, `Stopped` and `CeilingError`.
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
        except Unfit as error:
            raise EngineError(f"{self._where(url)}: {self._masked(str(error))}") from error
        except Unusable as error:
            if self.stopping.is_set():
                raise Stopped from error
            raise EngineError(
                f"models.{self.name}: no usable reply from {url}{self._via()} in "
                f"{self.settings['attempts']} attempts, the last: {self._masked(str(error))}; "
                "the replies so far are stored, run again to resume"
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
            spent = most  # until `read` says what the server counted
            try:
                result, spent = read(reply)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise Unfit(
                    f"the reply has another structure ({type(error).__name__}: {error}): "
                    f"{_start(reply)}"
                ) from error
        except Unusable as error:
            spent = most if error.billed else Amount(requests=1)
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
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise self._broken(url, error) from error
        if self.key:
            data = data.replace(self.key.encode(), b"[key]")
        if response.status_code != 200:
            raise self._refusal(url, response.status_code, response.headers, data)
        returned = response.headers.get("x-request-id", sent)
        if returned.startswith("faultlines-") and returned != sent:
            raise Unusable("a reply to another request (X-Request-Id)", billed=True)
        try:
            reply = json.loads(data.decode("utf-8-sig", "replace"))
        except ValueError as error:
            if "text/html" in response.headers.get("content-type", ""):
                raise EngineError(
                    f"{self._where(url)} is a web page; `server.url` is the address of the "
                    "server's interface for programs, up to and including /v1"
                ) from error
            raise Unusable(f"a reply that is not JSON: {_start(data)}", billed=True) from error
        if not isinstance(reply, dict):
            raise Unusable("a reply that is not a JSON object", billed=True)
        if refusals.is_error(reply):
            raise self._refusal(url, refusals.status_of(reply), response.headers, data)
        return _without_lone_surrogates(reply) if b"\\u" in data else reply

    def _broken(self, url: str, error: httpx2.HTTPError) -> Exception:
        """What to raise for a connection that failed."""
        cause = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        if isinstance(error, httpx2.TransportError) and (remedy := connection.permanent(error)):
            return EngineError(f"{self._where(url)}: no connection ({cause}); {remedy}")
        early = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
        if isinstance(error, early):
            return Unusable(f"no connection ({cause})", billed=False)
        return Unusable(f"the connection broke ({cause})", billed=True)

    def _refusal(self, url: str, status: int, headers: Any, data: bytes) -> Exception:
        """What to raise for an error that the server states."""
        said = refusals.complaint(data)
        words, where = self._masked(said.words), self._where(url)
        if status in (401, 403):
            variable = self.settings.get("key_variable")
            told = f"the key in {variable}" if variable else "requests without a key"
            return EngineError(f"{where} refuses {told} (status {status}): {words}")
        if status == 404:
            told = "does not exist, or does not know the model"
            return Refused(f"{where} {told}: {words}", words)
        if said.too_long(status):
            return TooLong(words)
        if said.no_credit():
            return EngineError(f"{where}: the account has no credit left: {words}")
        if status not in BUSY and status < 500 and not (status == 200 and said.passing()):
            told = "answers with an error" if status == 200 else "refuses the request"
            return Refused(f"{where} {told} (status {status}): {words}", words)
        after = refusals.retry_after_s(headers)
        if after > self.settings["longest_wait_s"]:
            return EngineError(
                f"{where} asks to wait {after:.0f} s, longer than server.longest_wait_s "
                f"({self.settings['longest_wait_s']}); stored replies are kept, run again later"
            )
        return Unusable(f"status {status}: {words}", billed=status == 200, after_s=after)

    def _masked(self, words: str) -> str:
        """A server's words without the key, of which some repeat the first characters."""
        return re.sub(re.escape(self.key[:8]) + r"\S*", "[key]", words) if self.key else words

    def _where(self, url: str) -> str:
        return f"models.{self.name}: {url}{self._via()}"

    def _via(self) -> str:
        return f" through {self.proxy}" if self.proxy else ""


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


def _start(content: Any) -> str:
    """The beginning of a reply, on one line."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return " ".join(text[:200].decode("utf-8", "replace").split())


def _without_lone_surrogates(reply: dict[str, Any]) -> dict[str, Any]:
    """Half a surrogate pair, which no file can hold, becomes U+FFFD, as in other engines."""
    text = json.dumps(reply, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
