"""Prompts and options as token ids, the same in every engine that has the tokenizer."""

import hashlib
import json
from array import array
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from workflow_scripts.inference import chat
from workflow_scripts.inference.tasks import EngineError, Record

# Requests that are tokenized at once. The library keeps some kilobytes per prompt until all of a
# call are done.
READ_AT_ONCE = 1 << 10


class Encoder:
    """A model's tokenizer, and the token ids of the requests given to `read`."""

    def __init__(self, tokenizer: Any, spec: dict[str, Any]):
        self.tokenizer = tokenizer
        self.spec = spec
        self._tokens: dict[str, array[int]] = {}  # a list takes nine times the memory
        self._options: dict[str, list[list[int]]] = {}
        self._marks: dict[str, str] = {}

    def encode(
        self, messages: Sequence[dict[str, str]] | None = None, prompt: str | None = None
    ) -> list[int]:
        """Token ids of chat turns rendered by the model's template, or of a bare prompt.

        A final assistant turn is left open for the model to continue.
        """
        return self._ids([self._rendered(messages, prompt)])[0]

    def read(self, requests: Iterable[dict[str, Any]]) -> None:
        """Tokenize the prompts and options of all requests.

        An option's tokens come from tokenizing prompt and option together if that leaves the
        prompt's tokens unchanged; if tokens merge across the boundary, from the option alone.
        Raises `EngineError` for a prompt without tokens.
        """
        self._tokens, self._options, self._marks = {}, {}, {}
        different = iter({request["request_id"]: request for request in requests}.values())
        while part := list(islice(different, READ_AT_ONCE)):
            self._read(part)

    def _read(self, requests: list[dict[str, Any]]) -> None:
        texts = [self._rendered(*_prompt(request)) for request in requests]
        prompts = self._ids(texts)
        for request, (text, _), tokens in zip(requests, texts, prompts, strict=True):
            if not tokens:
                raise EngineError(f"request {request['item']!r}: its prompt has no tokens")
            name = request["request_id"]
            self._tokens[name] = array("i", tokens)
            self._options[name] = []
            self._marks[name] = mark(text)
        options = [json.loads(request["choices"]) for request in requests]
        pairs = [(i, option) for i, group in enumerate(options) for option in group]
        if not pairs:
            return
        joined = self._ids([(texts[i][0] + option, texts[i][1]) for i, option in pairs])
        alone = self._ids([(option, False) for _, option in pairs])
        for (i, _), whole, part in zip(pairs, joined, alone, strict=True):
            self._options[requests[i]["request_id"]].append(after(prompts[i], whole, part))

    def tokens_of(self, request: dict[str, Any]) -> list[int]:
        """Token ids of the prompt of a request given to `read`."""
        return self._tokens[request["request_id"]].tolist()

    def continuations(self, request: dict[str, Any]) -> list[list[int]]:
        """Token ids of each option after the prompt of a request given to `read`."""
        return self._options[request["request_id"]]

    def marked(self, records: Sequence[Record]) -> list[Record]:
        """The records of requests given to `read`, each with the hash of its rendered prompt."""
        return [record | {"rendered": self._marks[record["request_id"]]} for record in records]

    def rendered(self, requests: Iterable[dict[str, Any]]) -> dict[str, str]:
        """The hash of the rendered prompt of each request, by `request_id`."""
        return {each["request_id"]: mark(self._rendered(*_prompt(each))[0]) for each in requests}

    def text(self, tokens: Sequence[int]) -> str:
        """The text of reply tokens, without special tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def _rendered(
        self, messages: Sequence[dict[str, str]] | None, prompt: str | None
    ) -> tuple[str, bool]:
        """The model's input text, and whether the tokenizer adds its special tokens."""
        if messages is None:
            return prompt or "", True
        return chat.render(self.tokenizer, self.spec, messages), not chat.templated(self.spec)

    def _ids(self, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
        ids: list[list[int]] = [[] for _ in texts]
        for special in {special for _, special in texts}:
            chosen = [number for number, (_, each) in enumerate(texts) if each == special]
            found = self._batch_ids([texts[number][0] for number in chosen], special)
            for number, tokens in zip(chosen, found, strict=True):
                ids[number] = tokens
        return ids

    def _batch_ids(self, texts: list[str], special: bool) -> list[list[int]]:
        if self.tokenizer.is_fast:
            # The underlying library: the wrapper takes twice as long, for masks and type ids.
            encode = self.tokenizer.backend_tokenizer.encode_batch_fast
            return [found.ids for found in encode(texts, add_special_tokens=special)]
        return self.tokenizer(texts, add_special_tokens=special)["input_ids"]


def mark(text: str) -> str:
    """The hash of a rendered prompt, 16 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def after(prompt: list[int], whole: list[int], alone: list[int]) -> list[int]:
    """An option's tokens: those after the prompt's in `whole`, or `alone` (see `Encoder.read`)."""
    size = len(prompt)
    kept = whole[:size] == prompt and (len(whole) > size or not alone)
    return whole[size:] if kept else alone


def _prompt(request: dict[str, Any]) -> tuple[list[dict[str, str]] | None, str | None]:
    if isinstance(request["messages"], str):
        return json.loads(request["messages"]), None
    return None, request["prompt"]


def end_tokens(tokenizer: Any, configured: int | list[int] | None) -> list[int]:
    """Ids of tokens that end a reply: those of the tokenizer and of the generation config."""
    ends = configured if isinstance(configured, list) else [configured]
    return sorted({tokenizer.eos_token_id, *ends} - {None})
