"""The calls of a task to an OpenAI-compatible server, with checks that replies belong to them."""

import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from workflow_scripts.inference import llamacpp_replies, openai_payload, openai_replies, refusals
from workflow_scripts.inference.served_name import ServedName
from workflow_scripts.inference.set_aside import SetAside
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Score, Task
from workflow_scripts.inference.transport import Refused, TooLong, Transport, Unfit, Unusable

log = logging.getLogger(__name__)

TOPS = (20, 8, 5)  # alternatives to ask for, the next where a server refuses so many

# Raised for a reply that another attempt would give again.
NOT_READ = (Unfit, EngineError, LookupError, TypeError, ValueError, AttributeError)

# Reads a choice and the tokens that the server counted.
Read = Callable[[dict[str, Any], Amount], Any]


class Calls:
    """The calls of one run to a server without extensions; thread-safe."""

    def __init__(self, spec: dict[str, Any], url: str, transport: Transport):
        self.spec = spec
        self.url = url
        self.strict = openai_payload.able(spec).complete
        self.transport = transport
        folder = transport.spending.path.parent
        self.served = ServedName(spec, folder)
        self.aside = SetAside(folder)
        self._top = TOPS[0]
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._replies: set[str] = set()
        self._sizes: dict[str, Counter[int]] = {}
        self._rooms: dict[str, int] = {}  # limits of replies set by the context; 0 for no room
        self._measured: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def do(self, task: Task) -> Record:
        """Do the task and return its record. Raises what `Transport.call` raises."""
        if isinstance(task, Draw):
            return self._draw(task)
        return self._score(task)

    def _draw(self, task: Draw) -> Record:
        request, sample = task
        if request["max_tokens"] == 0:
            return empty(request, sample, "length", 0)  # the prompt's length is not known
        key = request["request_id"]
        while True:
            room = self._rooms.get(key)
            try:
                return self._within(task, room)
            except TooLong as error:
                with self._lock:
                    measured = self._measured[key]
                with measured:  # samples that were refused at the same time wait for one of them
                    if self._rooms.get(key) == room:
                        return self._with_less(task, str(error))

    def _within(self, task: Draw, room: int | None) -> Record:
        """The reply within the `room` that the context leaves; None if that is not known."""
        request, sample = task
        if room is None:
            return self._drawn(request, sample, request["max_tokens"], "length")
        if room == 0:
            return empty(request, sample, "context", 0)  # the prompt's length is not known
        return self._drawn(request, sample, room, "context")

    def _with_less(self, task: Draw, words: str) -> Record:
        """The reply with the highest limit that the server takes beside the prompt.

        Prompt and context are counted only in the `words` of the refusal. A prompt that is too long
        by itself has an empty reply. Raises `EngineError` if the prompt fits, and no limit that
        follows from the words does.
        """
        request, sample = task
        for limit in refusals.rooms(words, request["max_tokens"]):
            with suppress(TooLong):
                record = self._drawn(request, sample, limit, "context")
                self._rooms[request["request_id"]] = limit
                return record
        try:
            self._drawn(request, sample, 1, "context")
        except TooLong as error:
            self._does_not_fit(error)
            self._rooms[request["request_id"]] = 0
            return empty(request, sample, "context", 0)  # the prompt's length is not known
        raise EngineError(
            f"models.{self.transport.name}: request {request['item']!r}: its prompt fits the "
            f"context, but not with a reply of {request['max_tokens']} tokens: {words}; set a "
            "lower limit for replies under `asked`, or a longer context on the server"
        )

    def _drawn(self, request: dict[str, Any], sample: int, limit: int, at_limit: str) -> Record:
        path, body = openai_payload.draw(self.spec, request, self._prompt(request), sample, limit)

        def read(choice: dict[str, Any], tokens: Amount) -> Record:
            record = openai_replies.draw_record(request, sample, choice, tokens, limit, at_limit)
            if self.strict:
                self._same_prompt(request, tokens)
            if not tokens.prompt_tokens:
                self._tell("usage", "the server does not count tokens; tables have 0 for them")
            return record

        return self._call(path, body, read)

    def _prompt(self, request: dict[str, Any]) -> dict[str, Any]:
        """The fields that hold the prompt of a sample."""
        return openai_payload.prompt_of(self.spec, request)

    def _score(self, task: Score) -> Record:
        """Log-probabilities of options that are one of the likeliest tokens; bounds for others."""
        request = task.request
        options = json.loads(request["choices"])

        def read(choice: dict[str, Any], tokens: Amount) -> Record:
            values = openai_replies.of_options(openai_replies.top_logprobs(choice), options)
            return openai_replies.score_record(request, tokens.prompt_tokens, values, [])

        path, body = openai_payload.first_token(self.spec, request)
        field = "top_logprobs" if "top_logprobs" in body else "logprobs"
        while True:
            top = min(body[field], self._top)
            try:
                return self._call(path, body | {field: top}, read)
            except TooLong as error:
                self._does_not_fit(error)
                return openai_replies.score_record(request, 0, [None] * len(options), [])
            except Refused as error:
                # A server that gives fewer alternatives says so in its own words.
                fewer = [each for each in TOPS if each < top]
                if "logprobs" not in error.words or not fewer:
                    raise
                self._top = min(self._top, fewer[0])

    def _ask(self, path: str, content: dict[str, Any], key: str) -> dict[str, Any]:
        """A non-standard call that costs a request but no tokens."""
        root = self.url.removesuffix("/v1")
        body = {"model": self.spec["source"]} | content

        def read(reply: dict[str, Any]) -> tuple[dict[str, Any], Amount]:
            reply[key]  # raises if it is missing
            return reply, Amount(requests=1)

        reply, _ = self.transport.call(root + path, body, Amount(requests=1), read)
        return reply

    def _call(self, path: str, body: dict[str, Any], read: Read) -> Any:
        def checked(reply: dict[str, Any]) -> tuple[Any, Amount]:
            self._same_dialect(body, reply)
            name = self.served.check(reply.get("model"))
            choice, tokens = openai_replies.choice_of(body, reply, self.strict)
            result = read(choice, tokens)
            self._once(reply)
            if isinstance(result, dict):  # a record
                result["served_as"] = name
            return result, openai_replies.cost(body, choice, tokens)

        def kept(reply: dict[str, Any]) -> tuple[Any, Amount]:
            try:
                return checked(reply)
            except NOT_READ:
                if reply.get("choices"):
                    self.aside.put(path, body, reply)
                raise

        for reply in self.aside.get(path, body):
            try:
                return checked(reply)[0]
            except (*NOT_READ, Unusable):
                continue  # the server may have changed, so it is asked again
        return self.transport.call(self.url + path, body, openai_payload.most(body), kept)[0]

    def _same_dialect(self, body: dict[str, Any], reply: dict[str, Any]) -> None:
        """Raise `EngineError` for a sample that a llama.cpp server drew by its own settings."""
        drawn = body.get("temperature", 1.0) > 0 and "logprobs" not in body
        if drawn and llamacpp_replies.sent(reply):
            raise EngineError(
                f"models.{self.transport.name}.server.dialect: expected llamacpp, found "
                f"{self.spec['server']['dialect']}; the server is llama.cpp's, which samples only "
                "from the likeliest tokens unless dialect llamacpp tells it otherwise"
            )

    def _once(self, reply: dict[str, Any]) -> None:
        """Raise `Unusable` for a reply that has already answered another request."""
        name = reply.get("id")
        if not self.strict or not name:  # others may draw ids from a thousand numbers
            return
        with self._lock:
            if name in self._replies:
                raise Unusable(f"the reply to another request (id {name})", billed=True)
            self._replies.add(name)

    def _tell(self, what: str, message: str) -> None:
        """Log a message once per run."""
        with self._lock:
            if what in self._told:
                return
            self._told.add(what)
        log.warning("models.%s: %s", self.transport.name, message)

    def _does_not_fit(self, error: TooLong) -> None:
        self._tell("does not fit", f"a request does not fit the context: {error}")

    def _same_prompt(self, request: dict[str, Any], tokens: Amount) -> None:
        """Raise `Unusable` unless a request's prompt has its most frequent length.

        The first reply may be the wrong one, so the first length is not assumed to be correct.
        """
        size = tokens.prompt_tokens
        with self._lock:
            seen = self._sizes.setdefault(request["request_id"], Counter())
            seen[size] += 1
            others = max((count for other, count in seen.items() if other != size), default=0)
            usual = seen[size] > others
        if not usual:
            raise Unusable(f"expected the prompt's usual length, found {size} tokens", True)


def empty(request: dict[str, Any], sample: int, reason: str, size: int) -> Record:
    """The record of a sample without tokens; `size` is the number of tokens of its prompt."""
    return {
        "request_id": request["request_id"],
        "sample": sample,
        "text": "",
        "finish_reason": reason,
        "prompt_tokens": size,
        "completion_tokens": 0,
    }
