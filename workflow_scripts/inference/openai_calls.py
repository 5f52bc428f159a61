"""The calls of a task to an OpenAI-compatible server, with checks that replies belong to them."""

import json
import threading
from collections import Counter
from typing import Any

from workflow_scripts.inference import openai_payload, openai_replies
from workflow_scripts.inference.encoding import after
from workflow_scripts.inference.spending import Amount
from workflow_scripts.inference.tasks import Draw, Record, Score, Task
from workflow_scripts.inference.transport import TooLong, Transport, Unusable


class Calls:
    """The calls of one run; thread-safe."""

    def __init__(self, spec: dict[str, Any], url: str, transport: Transport):
        self.spec = spec
        self.url = url
        self.extended = spec["server"]["dialect"] == "vllm"
        self.transport = transport
        self._lock = threading.Lock()
        self._replies: set[str] = set()
        self._sizes: dict[str, Counter[int]] = {}

    def do(self, task: Task) -> Record:
        """Do the task and return its record. Raises what `Transport.call` raises."""
        if isinstance(task, Draw):
            return self._draw(task)
        return self._exact(task) if self.extended else self._first_token(task)

    def _draw(self, task: Draw) -> Record:
        request, sample = task
        if request["max_tokens"] == 0:
            return _empty(request, sample, "length", self._size(request)[0] if self.extended else 0)
        try:
            return self._drawn(request, sample, request["max_tokens"], "length")
        except TooLong:
            if not self.extended:
                return _empty(request, sample, "context", 0)  # the prompt's length is not known
        size, context = self._size(request)
        if size >= context:
            return _empty(request, sample, "context", size)
        return self._drawn(request, sample, context - size, "context")

    def _drawn(self, request: dict[str, Any], sample: int, limit: int, at_limit: str) -> Record:
        path, body = openai_payload.draw(self.spec, request, sample, limit)

        def read(choice: dict[str, Any], spent: Amount) -> Record:
            record = openai_replies.draw_record(request, sample, choice, spent, at_limit)
            self._same_prompt(request, spent)
            return record

        return self._call(path, body, read)

    def _first_token(self, task: Score) -> Record:
        """Log-probabilities of options that are one of the likeliest tokens; null for others."""
        request = task.request
        path, body = openai_payload.first_token(self.spec, request)
        options = json.loads(request["choices"])

        def read(choice: dict[str, Any], spent: Amount) -> Record:
            found = openai_replies.top_logprobs(choice)
            values = [0.0 if option == "" else found.get(option) for option in options]
            return openai_replies.score_record(request, spent.prompt_tokens, values, [])

        return self._call(path, body, read)

    def _exact(self, task: Score) -> Record:
        """Log-probabilities of all options; null if the context has no room for one more token.

        The server requires that room.
        """
        request = task.request
        echo = bool(request["echo_logprobs"])
        prompt, continuations, context = self._tokens(request)
        size = len(prompt)
        values: list[float | None] = []
        for option in continuations:
            if not option:
                values.append(0.0 if size < context else None)
            elif size + len(option) >= context:
                values.append(None)
            else:
                along = self._along(prompt + option)
                values.append(sum(value or 0.0 for value in along[size:]))
        logprobs: list[float | None] = []
        if echo:
            logprobs = self._along(prompt) if size < context else [None] * size
        return openai_replies.score_record(request, size, values, logprobs)

    def _along(self, tokens: list[int]) -> list[float | None]:
        path, body = openai_payload.along(self.spec, tokens)
        return self._call(
            path, body, lambda choice, _: openai_replies.logprobs_along(choice, tokens)
        )

    def _size(self, request: dict[str, Any]) -> tuple[int, int]:
        """Number of tokens of the prompt and of the context."""
        found = self._tokenize(openai_payload.prompt_of(self.spec, request))
        return len(found["tokens"]), found["max_model_len"]

    def _tokens(self, request: dict[str, Any]) -> tuple[list[int], list[list[int]], int]:
        """Tokens of the prompt and of each option as in `encoding.Encoder`; size of the context."""
        asked = openai_payload.prompt_of(self.spec, request)
        found = self._tokenize(asked)
        prompt, context = found["tokens"], found["max_model_len"]
        options = json.loads(request["choices"])
        if not options:
            return prompt, [], context
        bare = "prompt" in asked
        text = asked["prompt"] if bare else self._text(prompt)
        continuations = []
        for option in options:
            whole = self._tokenize({"prompt": text + option, "add_special_tokens": bare})
            alone = self._tokenize({"prompt": option, "add_special_tokens": False})
            continuations.append(after(prompt, whole["tokens"], alone["tokens"]))
        return prompt, continuations, context

    def _tokenize(self, content: dict[str, Any]) -> dict[str, Any]:
        return self._ask("/tokenize", content, "tokens")

    def _text(self, tokens: list[int]) -> str:
        return self._ask("/detokenize", {"tokens": tokens}, "prompt")["prompt"]

    def _ask(self, path: str, content: dict[str, Any], key: str) -> dict[str, Any]:
        """A non-standard call that costs a request but no tokens."""
        root = self.url.removesuffix("/v1")
        body = {"model": self.spec["source"]} | content

        def read(reply: dict[str, Any]) -> tuple[dict[str, Any], Amount]:
            reply[key]  # raises if it is missing
            return reply, Amount(requests=1)

        reply, _ = self.transport.call(root + path, body, Amount(requests=1), read)
        return reply

    def _call(self, path: str, body: dict[str, Any], read: Any) -> Any:
        def checked(reply: dict[str, Any]) -> tuple[Any, Amount]:
            choice, spent = openai_replies.choice_of(body, reply)
            result = read(choice, spent)
            self._once(reply)
            return result, spent

        amount = openai_payload.most(body)
        return self.transport.call(self.url + path, body, amount, checked)[0]

    def _once(self, reply: dict[str, Any]) -> None:
        """Raise `Unusable` for a reply that has already answered another request."""
        name = reply.get("id")
        if not name:
            return
        with self._lock:
            if name in self._replies:
                raise Unusable(f"the reply to another request (id {name})", billed=True)
            self._replies.add(name)

    def _same_prompt(self, request: dict[str, Any], spent: Amount) -> None:
        """Raise `Unusable` unless a request's prompt has its most frequent length.

        The first reply may be the wrong one, so the first length is not assumed to be correct.
        """
        size = spent.prompt_tokens
        with self._lock:
            seen = self._sizes.setdefault(request["request_id"], Counter())
            seen[size] += 1
            others = max((count for other, count in seen.items() if other != size), default=0)
            usual = seen[size] > others
        if not usual:
            raise Unusable(f"expected the prompt's usual length, found {size} tokens", True)


def _empty(request: dict[str, Any], sample: int, reason: str, size: int) -> Record:
    return {
        "request_id": request["request_id"],
        "sample": sample,
        "text": "",
        "finish_reason": reason,
        "prompt_tokens": size,
        "completion_tokens": 0,
    }
