"""Counts the tokens of requests before they are sent, with the model's own tokenizer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_scripts.inference import kinds
from workflow_scripts.inference.checkpoint import context, revision
from workflow_scripts.inference.encoding import Encoder
from workflow_scripts.models import tokenizer_files
from workflow_scripts.models.registry import checkpoint

CHARACTERS = 4  # per token of English text, where the tokenizer is not here


class Tokens:
    """Counts with a tokenizer, in the model's chat template."""

    exact = True

    def __init__(self, tokenizer: Any, config: Any, spec: dict[str, Any]):
        self.tokenizer = tokenizer
        self.encoder = Encoder(tokenizer, spec)
        self.context = context(config, spec)
        self.width: int | None = getattr(config, "hidden_size", None)

    def request(self, request: Mapping[str, Any]) -> int:
        """Tokens of a request's prompt and its options."""
        options = sum(map(self.text, json.loads(request["choices"])))
        if isinstance(request["messages"], str):  # tables have NaN for none
            return self.turns(json.loads(request["messages"])) + options
        return len(self.encoder.encode(prompt=request["prompt"])) + options

    def turns(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a prompt of these chat turns."""
        return len(self.encoder.encode(messages=[dict(turn) for turn in messages]))

    def text(self, text: str) -> int:
        """Tokens of a text by itself."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])


class Characters:
    """Estimates from the number of characters, for a tokenizer that is not on this machine."""

    exact = False
    width: int | None = None

    def __init__(self, spec: dict[str, Any]):
        self.context: int | None = spec.get("max_context")

    def request(self, request: Mapping[str, Any]) -> int:
        """About as many tokens as a request's prompt and its options have."""
        options = sum(map(self.text, json.loads(request["choices"])))
        if isinstance(request["messages"], str):
            return self.turns(json.loads(request["messages"])) + options
        return self.text(request["prompt"]) + options

    def turns(self, messages: Sequence[Mapping[str, str]]) -> int:
        """About as many tokens as these chat turns have, with a few for each turn's header."""
        return sum(self.text(turn["content"]) + CHARACTERS for turn in messages)

    def text(self, text: str) -> int:
        """About as many tokens as a text has."""
        return -(-len(text) // CHARACTERS)


def counter(config: dict[str, Any], study: str, name: str) -> Tokens | Characters:
    """Counts tokens as a model of the config sees them in a study."""
    spec = kinds.serving(config, study, name)
    if spec.get("engine") == "openai":
        return Characters(spec)
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    at: dict[str, Any] = {"local_files_only": True, **revision(spec)}
    try:
        folder = checkpoint(config["models"], name)
        tokenizer = tokenizer_files.load(folder, **at)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **at).get_text_config()
    except (OSError, ValueError, ImportError):
        return Characters(spec)
    return Tokens(tokenizer, config, spec)
