"""The calls of a task to llama.cpp's server."""

import json
from typing import Any

from workflow_scripts.inference import llamacpp_replies, openai_payload, openai_replies
from workflow_scripts.inference.encoding import after
from workflow_scripts.inference.openai_calls import Calls, empty
from workflow_scripts.inference.tasks import EngineError, Record, Score
from workflow_scripts.inference.transport import TooLong, Transport

Known = dict[tuple[int, ...], dict[int, float]]  # log-probabilities of next tokens, by prompt


class LlamaCppCalls(Calls):
    """The calls of one run; thread-safe."""

    def __init__(self, spec: dict[str, Any], url: str, transport: Transport):
        super().__init__(spec, url, transport)
        self._texts: dict[str, str] = {}

    def _draw(self, task: Any) -> Record:
        """The server cuts a reply at the end of the context; it refuses only a prompt."""
        request, sample = task
        limit = request["max_tokens"]
        if limit == 0:
            return empty(request, sample, "length", len(self._encoded(request)))
        try:
            return self._drawn(request, sample, limit, "length")
        except TooLong as error:
            self._does_not_fit(error)
            return empty(request, sample, "context", len(self._encoded(request)))

    def _prompt(self, request: dict[str, Any]) -> dict[str, Any]:
        """The prompt of a sample, as text where it ends in the beginning of the reply.

        The chat endpoint would repeat the beginning in the reply.
        """
        if openai_payload.started(self.spec, request):
            return {"prompt": self._rendered(request)}
        return super()._prompt(request)

    def _rendered(self, request: dict[str, Any]) -> str:
        """The prompt as text. Raises `EngineError` unless it ends in the beginning of the reply."""
        asked = openai_payload.prompt_of(self.spec, request)
        if "prompt" in asked:
            return asked["prompt"]
        if request["request_id"] in self._texts:
            return self._texts[request["request_id"]]
        text = self._ask("/apply-template", asked, "prompt")["prompt"]
        beginning = asked["messages"][-1]["content"]
        if openai_payload.started(self.spec, request) and not text.endswith(beginning):
            raise EngineError(
                f"models.{self.transport.name}: request {request['item']!r}: expected a prompt "
                f"that ends in the beginning of the reply, found {text[-60:]!r}; start the server "
                "without --no-prefill-assistant"
            )
        self._texts[request["request_id"]] = text
        return text

    def _encoded(self, request: dict[str, Any]) -> list[int]:
        return self._ids(self._rendered(request))

    def _ids(self, text: str, whole: bool = True) -> list[int]:
        """Token ids of a text. `whole` adds the tokens with which a prompt begins."""
        content = {"content": text, "add_special": whole, "parse_special": True}
        return self._ask("/tokenize", content, "tokens")["tokens"]

    def _score(self, task: Score) -> Record:
        """Log-probabilities of all options, token by token.

        Null for an option that does not fit into the context, or has a token that ends inside a
        character and is not among the likeliest.
        """
        request = task.request
        text = self._rendered(request)
        prompt = self._ids(text)
        known: Known = {}
        values: list[float | None] = []
        for option in json.loads(request["choices"]):
            tokens = after(prompt, self._ids(text + option), self._ids(option, whole=False))
            try:
                values.append(self._value(prompt, tokens, known))
            except TooLong as error:
                self._does_not_fit(error)
                values.append(None)
        return openai_replies.score_record(request, len(prompt), values, [])

    def _value(self, prompt: list[int], option: list[int], known: Known) -> float | None:
        """The log-probability of an option's tokens after the prompt's; fills `known`."""
        total = 0.0
        for at, token in enumerate(option):
            before = [*prompt, *option[:at]]
            here = known.setdefault(tuple(before), {})
            if token not in here:
                here |= self._following(before, token)
            if token not in here:
                return None
            total += here[token]
        return total

    def _following(self, tokens: list[int], wanted: int) -> dict[int, float]:
        path, body = openai_payload.following(self.spec, tokens, wanted)
        return self._call(path, body, lambda choice, _: llamacpp_replies.following(choice, wanted))

    def _same_dialect(self, body: dict[str, Any], reply: dict[str, Any]) -> None:
        if not llamacpp_replies.sent(reply):
            raise EngineError(
                f"models.{self.transport.name}.server.dialect: expected a llama.cpp server, found "
                "another, which may ignore the sampling fields; set dialect: plain"
            )
