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


def load(
    name: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int = 16384,
    attention: str = "sdpa",
    reuse_prefixes: bool = True,
) -> "TransformersEngine":
    """Load a causal language model and its tokenizer, on the GPU if there is one.

    `batch_tokens` bounds rows x final length (tokens) of a batch and so its memory. Raises
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
    if spec.get("chat_template", True) and not tokenizer.chat_template:
        raise EngineError(
            f"models.{name}: its tokenizer has no chat template; set models.{name}.chat_template: "
            "false to have chat turns written out as plain text (docs/models.md)"
        )
    model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    identity = {
        "engine": "transformers",
        "checkpoint": content(checkpoint, spec),
        "dtype": dtype,
        "attention": attention,
        "device": model.device.type,
        "chat_template": spec.get("chat_template", True),
        "thinking": spec.get("thinking"),
        "max_context": spec.get("max_context"),
        "versions": _version(),
        "code": fingerprint("workflow_scripts/inference/transformers_engine.py"),
    }
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
        self.name = name
        self.spec = spec
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
        self.batch_tokens = batch_tokens
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
        self._tokens: dict[str, list[int]] = {}

    def encode(
        self, messages: Sequence[dict[str, str]] | None = None, prompt: str | None = None
    ) -> list[int]:
        """Token ids of chat turns as the model's template renders them, or of a bare prompt.

        A last turn by the assistant is left open, for the model to go on with.
        """
        if messages is None:
            return self.tokenizer(prompt)["input_ids"]
        text = chat.render(self.tokenizer, self.spec, messages)
        return self.tokenizer(text, add_special_tokens=not self._templated())["input_ids"]

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks: scores first, then draws. Yields finished records a batch at a time."""
        self._tokens.clear()
        scores = [task for task in tasks if isinstance(task, Score)]
        draws = [task for task in tasks if isinstance(task, Draw)]
        if scores:
            yield from scoring.score(self, scores)
        if draws:
            yield from decoding.decode(self, draws)

    def tokens_of(self, request: dict[str, Any]) -> list[int]:
        """Token ids of a request's prompt. Raises `EngineError` for a prompt without tokens."""
        known = self._tokens.get(request["request_id"])
        if known is None:
            known = self.encode(*_prompt(request))
            if not known:
                raise EngineError(f"request {request['item']!r}: its prompt has no tokens")
            self._tokens[request["request_id"]] = known
        return known

    def continuations(self, request: dict[str, Any], options: Sequence[str]) -> list[list[int]]:
        """Token ids of each option after the request's prompt.

        The tokens that the tokenizer gives prompt and option together, where the prompt's own
        come out unchanged; where they merge across the seam, the option's tokens by itself.
        """
        if not options:
            return []
        prompt = self.tokens_of(request)
        messages, text = _prompt(request)
        special = True
        if messages is not None:
            text = chat.render(self.tokenizer, self.spec, messages)
            special = not self._templated()
        joined = self.tokenizer(
            [f"{text}{option}" for option in options], add_special_tokens=special
        )["input_ids"]
        alone = self.tokenizer(list(options), add_special_tokens=False)["input_ids"]
        size = len(prompt)
        return [
            whole[size:] if whole[:size] == prompt and (len(whole) > size or not part) else part
            for whole, part in zip(joined, alone, strict=True)
        ]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of reply tokens, without special tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def _templated(self) -> bool:
        return self.spec.get("chat_template", True)

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
