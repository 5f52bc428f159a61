"""The calls of a task to vLLM's server, which counts tokens and scores prompts."""

import json
from typing import Any

from workflow_scripts.inference import openai_payload, openai_replies
from workflow_scripts.inference.encoding import after
from workflow_scripts.inference.openai_calls import Calls, empty
from workflow_scripts.inference.tasks import Draw, Record, Score
from workflow_scripts.inference.transport import TooLong, Transport


class VllmCalls(Calls):
    """The calls of one run; thread-safe."""

    def __init__(self, spec: dict[str, Any], url: str, transport: Transport):
        super().__init__(spec, url, transport)
        self._begun: dict[str, dict[str, Any]] = {}

    def _draw(self, task: Draw) -> Record:
        """The server refuses a limit beyond the context, whose size it tells."""
        request, sample = task
        if request["max_tokens"] == 0:
            return empty(request, sample, "length", self._size(request)[0])
        try:
            return self._drawn(request, sample, request["max_tokens"], "length")
        except TooLong as error:
            self._does_not_fit(error)
        size, context = self._size(request)
        if size >= context:
            return empty(request, sample, "context", size)
        return self._drawn(request, sample, context - size, "context")

    def _prompt(self, request: dict[str, Any]) -> dict[str, Any]:
        """The prompt of a sample, as tokens where it ends in the beginning of the reply."""
        if openai_payload.started(self.spec, request):
            return {"prompt": self._prompt_tokens(request)["tokens"]}
        return super()._prompt(request)

    def _score(self, task: Score) -> Record:
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
        found = self._prompt_tokens(request)
        return len(found["tokens"]), found["max_model_len"]

    def _prompt_tokens(self, request: dict[str, Any]) -> dict[str, Any]:
        """The prompt's `tokens`, and the context's size `max_model_len`.

        A chat template writes some things only where a reply opens, such as the empty thought of a
        model that is not to think. So a reply that has begun follows what opens a reply, as in
        `chat.render`, and not the template's turn of the assistant.
        """
        asked = openai_payload.prompt_of(self.spec, request)
        if not openai_payload.started(self.spec, request):
            return self._tokenize(asked)
        if request["request_id"] not in self._begun:
            whole = self._tokenize(asked)
            *turns, last = asked["messages"]
            opened = {"add_generation_prompt": True, "continue_final_message": False}
            before = self._text(self._tokenize(asked | opened | {"messages": turns})["tokens"])
            text = self._text(whole["tokens"])
            if not (text.startswith(before) and text.endswith(last["content"])):
                text = before + last["content"]
            content = {"prompt": text, "add_special_tokens": False}
            self._begun[request["request_id"]] = whole | self._tokenize(content)
        return self._begun[request["request_id"]]

    def _tokens(self, request: dict[str, Any]) -> tuple[list[int], list[list[int]], int]:
        """Tokens of the prompt and of each option as in `encoding.Encoder`; size of the context."""
        asked = openai_payload.prompt_of(self.spec, request)
        found = self._prompt_tokens(request)
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
