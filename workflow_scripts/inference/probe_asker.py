"""Sends the requests of a probe, and keeps what comes back."""

import json
import threading
from typing import Any

from workflow_scripts.inference import openai_engine, openai_payload, openai_replies
from workflow_scripts.inference.spending import Amount, Spending
from workflow_scripts.inference.tasks import EngineError, Task
from workflow_scripts.inference.transport import Refused, TooLong, Transport, Unfit, Unusable
from workflow_scripts.shared import files

# What came back: `reply` (the server's, as sent), `record` (of an engine's task) or `refused` (the
# server's words); with it `more`, the fields that were added, and `cost`.
Answer = dict[str, Any]

ATTEMPTS = 3  # at most, per request: what a server cannot do often shows as an error
BROKEN = ("status 500", "status 501")  # of servers that fail at a field they do not know


class Asker:
    """Asks a server what is not kept yet. Use it as a context."""

    def __init__(self, name: str, spec: dict[str, Any], again: bool = False):
        server = spec["server"]
        server = server | {"attempts": min(ATTEMPTS, server["attempts"])}
        self.engine = openai_engine.load(name, spec | {"server": server}, "")
        self.path = files.work_folder("probe", **self.engine.identity) / "replies.json"
        known = self.path.exists() and not again
        self.kept: dict[str, Answer] = files.read_json(self.path) if known else {}
        self.used: dict[str, Answer] = {}
        folder = files.work_folder("spending", url=self.engine.url, model=spec["source"])
        self.ledger = (name, folder, server["limits"], server.get("prices"))
        spending = Spending(*self.ledger)
        self.transport = Transport(name, server, self.engine.key, spending, threading.Event())

    def __enter__(self) -> "Asker":
        self.transport.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.client.close()

    def cost(self) -> Amount:
        """The cost of the replies that were used, also of those that were kept from before."""
        return sum((Amount(**answer["cost"]) for answer in self.used.values()), Amount())

    def listed(self, row: dict[str, Any], size: int) -> dict[str, Any]:
        """The fields that ask for the log-probabilities of the `size` likeliest tokens."""
        path, _ = self._body(row, 0)
        return {"logprobs": True, "top_logprobs": size} if "chat" in path else {"logprobs": size}

    def send(
        self,
        row: dict[str, Any],
        sample: int,
        more: dict[str, Any] | None = None,
        copy: int = 0,
        needed: bool = False,
    ) -> Answer:
        """The answer to sample `sample` of a request with `more` fields.

        `copy` numbers repetitions of the same request. Raises `EngineError` if the server cannot be
        asked, and if it refuses a request that is `needed`.
        """
        path, body = self._body(row, sample)
        body |= more or {}
        most = openai_payload.most(body)
        most = Amount(1, most.prompt_tokens, most.completion_tokens * body.get("n", 1))

        def read(reply: dict[str, Any]) -> tuple[Answer, Amount]:
            tokens = openai_replies.counted(reply)
            prompt = tokens.prompt_tokens or most.prompt_tokens
            return {"reply": reply}, Amount(
                1, prompt, tokens.completion_tokens or most.completion_tokens
            )

        def ask() -> Answer:
            return self.transport.call(self.engine.url + path, body, most, read)[0]

        return self._kept([path, body, copy], more or {}, ask, needed)

    def do(self, task: Task) -> Answer:
        """The answer to a task, as a study gets it."""

        def ask() -> Answer:
            [[record]] = list(self.engine.run([task]))
            return {"record": record}

        return self._kept([type(task).__name__, task.request], {}, ask, False)

    def _body(self, row: dict[str, Any], sample: int) -> tuple[str, dict[str, Any]]:
        prompt = openai_payload.prompt_of(self.engine.spec, row)
        return openai_payload.draw(self.engine.spec, row, prompt, sample, row["max_tokens"])

    def _kept(self, question: Any, more: dict[str, Any], ask: Any, needed: bool) -> Answer:
        """The answer that is kept; else that of `ask`, which is kept at once."""
        key = files.content_hash(question)
        if key not in self.kept:
            before = self._spent()
            try:
                answer = ask()
            except (EngineError, TooLong) as error:
                words = _words(error)
                if needed or words is None:
                    raise
                answer = {"refused": words}
            self.kept[key] = {**answer, "more": more, "cost": vars(self._spent() - before)}
            # Not `write_json`: a reply may hold half of a surrogate pair.
            files.write_text(self.path, json.dumps(self.kept, indent=1))
        self.used[key] = self.kept[key]
        return self.kept[key]

    def _spent(self) -> Amount:
        return Spending(*self.ledger).total


def _words(error: Exception) -> str | None:
    """What a server says that refuses a request; None where it could not be asked."""
    if isinstance(error, Refused):
        return error.words
    cause = error.__cause__
    broken = isinstance(cause, Unusable) and str(cause).startswith(BROKEN)
    if isinstance(error, TooLong) or isinstance(cause, Unfit) or broken:
        return str(cause or error)
    return None
