"""Models in this process, through transformers: sampling, scoring, and a door to the inside.

White-box studies use `.model`, `.tokenizer` and `.encode`; `load(..., attention="eager")` lets the
model return its attention weights.
"""

import json
import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import torch

from workflow_scripts.inference import chat, decoding, scoring
from workflow_scripts.inference.checkpoint import content, missing
from workflow_scripts.inference.engines import Draw, EngineError, Record, Score, Task
from workflow_scripts.inference.forward import Forward
from workflow_scripts.shared.fingerprint import fingerprint

# Prompt tokens in one pass on a CPU: more fall out of its caches, fewer leave its kernels idle.
CPU_PASS_TOKENS = 2048


def load(
    name: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int = 16384,
    attention: str = "sdpa",
    reuse_prefixes: bool = True,
) -> "TransformersEngine":
    """Load a causal language model and its tokenizer, on the GPU if there is one.

    `batch_tokens` bounds rows x final length (tokens) of a batch and so its memory; the model's own
    setting of that name goes before it. Raises
    `EngineError` when the checkpoint is not there or has no chat template that it needs.
    """
    hub = not os.path.isdir(checkpoint)
    if not hub:
        # A local folder never needs the network; asking it for a missing file would only stall.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    at = {"revision": spec["revision"]} if hub and "revision" in spec else {}
    dtype = spec.get("dtype", "float32")
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, **at)
        model: Any = AutoModelForCausalLM.from_pretrained(
            checkpoint, dtype=getattr(torch, dtype), attn_implementation=attention, **at
        )
    except (OSError, ValueError) as error:
        raise EngineError(missing(name, checkpoint, error)) from error
    if chat.templated(spec) and not tokenizer.chat_template:
        raise EngineError(
            f"models.{name}: its tokenizer has no chat template; set models.{name}.chat_template: "
            "false to have chat turns written out as plain text (docs/add_a_model.md)"
        )
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    identity = {
        "engine": "transformers",
        "checkpoint": content(checkpoint, spec),
        "dtype": dtype,
        "device": model.device.type,
        "chat_template": chat.templated(spec),
        "thinking": spec.get("thinking"),
        "max_context": spec.get("max_context"),
        "versions": _version(),
        "code": fingerprint("workflow_scripts/inference/transformers_engine.py"),
    }
    batch_tokens = spec.get("batch_tokens", batch_tokens)
    return TransformersEngine(name, spec, model, tokenizer, identity, batch_tokens, reuse_prefixes)


class TransformersEngine:
    """A loaded model. `context` is the most tokens that prompt and reply may have together."""

    engine = "transformers"

    def __init__(
        self,
        name: str,
        spec: dict[str, Any],
        model: Any,
        tokenizer: Any,
        identity: dict[str, Any],
        batch_tokens: int,
        reuse_prefixes: bool,
    ):
        on_cpu = model.device.type == "cpu"
        self.name = name
        self.spec = spec
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
        self.batch_tokens = batch_tokens
        self.pass_tokens = min(batch_tokens, CPU_PASS_TOKENS) if on_cpu else batch_tokens
        self.reuse_prefixes = reuse_prefixes
        self.dtype = str(model.dtype).removeprefix("torch.")
        self.device = model.device
        self.version = _version()
        self.forward = Forward(model)
        config = model.config.get_text_config()
        self.vocabulary: int = model.get_output_embeddings().weight.shape[0]
        limits = [getattr(config, "max_position_embeddings", None), spec.get("max_context")]
        self.context: int = min((limit for limit in limits if limit), default=1 << 20)
        self.ends = self._ends()
        self.token_texts = self._token_texts()
        self._read([])

    def encode(
        self, messages: Sequence[dict[str, str]] | None = None, prompt: str | None = None
    ) -> list[int]:
        """Token ids of chat turns as the model's template renders them, or of a bare prompt.

        A last turn by the assistant is left open, for the model to go on with.
        """
        return self._ids([self._rendered(messages, prompt)])[0]

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks: scores first, then draws. Yields finished records a batch at a time."""
        self._read(tasks)
        scores = [task for task in tasks if isinstance(task, Score)]
        draws = [task for task in tasks if isinstance(task, Draw)]
        if scores:
            yield from scoring.score(self, scores)
        if draws:
            yield from decoding.decode(self, draws)

    def tokens_of(self, request: dict[str, Any]) -> list[int]:
        """Token ids of the prompt of a request that `run` was given."""
        return self._tokens[request["request_id"]]

    def continuations(self, request: dict[str, Any]) -> list[list[int]]:
        """Token ids of each option after the prompt of a request that `run` was given."""
        return self._options[request["request_id"]]

    def _read(self, tasks: Sequence[Task]) -> None:
        """Tokenise the prompts and options of all tasks, in one call each.

        An option's tokens are those that the tokenizer gives prompt and option together, where the
        prompt's own come out unchanged; where they merge across the seam, the option's by itself.
        Raises `EngineError` for a prompt without tokens.
        """
        requests = list({task.request["request_id"]: task.request for task in tasks}.values())
        texts = [self._rendered(*_prompt(request)) for request in requests]
        prompts = self._ids(texts)
        self._tokens = {}
        for request, tokens in zip(requests, prompts, strict=True):
            if not tokens:
                raise EngineError(f"request {request['item']!r}: its prompt has no tokens")
            self._tokens[request["request_id"]] = tokens
        options = [json.loads(request["choices"]) for request in requests]
        pairs = [(i, option) for i, group in enumerate(options) for option in group]
        self._options: dict[str, list[list[int]]] = {name: [] for name in self._tokens}
        if not pairs:
            return
        joined = self._ids([(texts[i][0] + option, texts[i][1]) for i, option in pairs])
        alone = self._ids([(option, False) for _, option in pairs])
        for (i, _), whole, part in zip(pairs, joined, alone, strict=True):
            size = len(prompts[i])
            kept = whole[:size] == prompts[i] and (len(whole) > size or not part)
            self._options[requests[i]["request_id"]].append(whole[size:] if kept else part)

    def _rendered(
        self, messages: Sequence[dict[str, str]] | None, prompt: str | None
    ) -> tuple[str, bool]:
        """The text that the model reads, and whether the tokenizer adds its special tokens."""
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
            # The library below: the wrapper spends as long again on masks and type ids.
            encode = self.tokenizer.backend_tokenizer.encode_batch_fast
            return [found.ids for found in encode(texts, add_special_tokens=special)]
        return self.tokenizer(texts, add_special_tokens=special)["input_ids"]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of reply tokens, without special tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def _ends(self) -> np.ndarray:
        """(vocabulary,) bool: tokens that end a reply."""
        ends = self.model.generation_config.eos_token_id
        ids = {self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
        table = np.zeros(self.vocabulary, bool)
        table[[token for token in ids if token < self.vocabulary]] = True
        return table

    def _token_texts(self) -> list[str]:
        """The text of each token by itself; "" for ids that the tokenizer does not know."""
        known = min(len(self.tokenizer), self.vocabulary)
        texts = self.tokenizer.batch_decode([[token] for token in range(known)])
        return texts + [""] * (self.vocabulary - known)


def _prompt(request: dict[str, Any]) -> tuple[list[dict[str, str]] | None, str | None]:
    if isinstance(request["messages"], str):
        return json.loads(request["messages"]), None
    return None, request["prompt"]


def _version() -> str:
    return f"transformers {metadata.version('transformers')}, torch {torch.__version__}"
