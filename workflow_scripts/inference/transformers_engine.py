"""Models in this process, through transformers: sampling, scoring and access to their internals.

Studies of a model's internals use `.model`, `.tokenizer` and `.encode`. After
`load(..., attention="eager")` the model can return its attention weights.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from workflow_scripts.inference import (
    agreement,
    chat,
    decoding,
    noise,
    option_logprobs,
    placement,
)
from workflow_scripts.inference.checkpoint import content, loading, not_finite, revision
from workflow_scripts.inference.local_model import LocalModel, versions
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Score, Task
from workflow_scripts.inference.weight_files import refuse_damaged, refuse_misfit
from workflow_scripts.models import tokenizer_files

# Stands for the code that decides a reply, in the key of the response store. It is a constant, so
# that refactoring loses no paid replies; see test_reply_code.py.
REPLY_CODE = "a3c96f20d81b57e4"

# Architectures whose windows older code took from the config correctly: their replies are kept.
WINDOWED = {"mistral", "mixtral", "phi3", "qwen2", "qwen3", "gemma3_text", "olmo3", "cohere2"}


def load(
    name: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int = 16384,
    attention: str | None = None,
    reuse_prefixes: bool = True,
) -> "TransformersEngine":
    """Load a causal language model and its tokenizer, on the GPU if there is one, or on several.

    `batch_tokens` limits rows x final length (tokens) of a batch and thereby its memory; the
    model's own setting of that name takes precedence. `attention` is an implementation of
    transformers (None: its default for the architecture). Raises `EngineError` if the checkpoint
    cannot be loaded, lacks the chat template that it needs, or is not computed correctly here.
    """
    hub = not os.path.isdir(checkpoint)
    if not hub:
        # A local folder needs no network; looking for a missing file there would only stall.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        refuse_damaged(name, checkpoint)
    at = revision(spec) if hub else {}
    dtype = spec.get("dtype", "float32")
    spread = placement.over_gpus(name, spec)
    with loading(name, checkpoint):
        tokenizer = tokenizer_files.load(checkpoint, **at)
        differs = tokenizer.described.differs + ["split"] * tokenizer.resplit
        model = _weights(name, checkpoint, dtype=dtype, attention=attention, at=at | spread)
    if chat.templated(spec) and not tokenizer.chat_template:
        raise EngineError(chat.no_template(name))
    chat.refuse_other_kind(name, spec, tokenizer)
    placement.place(model, name).eval()
    everything, weights = content(checkpoint, spec)
    identity = {
        "engine": "transformers",
        "checkpoint": everything,
        "dtype": dtype,
        "device": model.device.type,
        "chat_template": chat.templated(spec),
        "thinking": spec.get("thinking"),
        "max_context": spec.get("max_context"),
        "versions": versions(),
        "code": REPLY_CODE,
        **(chat.dates(tokenizer.get_chat_template(), spec) if chat.templated(spec) else {}),
        # Only where older code read the prompt otherwise: other stored replies are still found.
        **({"tokenizer": differs} if differs else {}),
    }
    draws_as = noise.of_checkpoint(checkpoint, weights, spec)
    batch_tokens = spec.get("batch_tokens", batch_tokens)
    engine = TransformersEngine(
        name, spec, model, tokenizer, identity, draws_as, batch_tokens, reuse_prefixes
    )
    agreement.check(engine)
    engine.forward.packed.release()  # a study of the inside may never use it again
    config = model.config.get_text_config()
    if engine.forward.first or (engine.forward.windowed and config.model_type not in WINDOWED):
        identity["masks"] = "the model's own"
    return engine


def _weights(
    name: str, checkpoint: str, dtype: str, attention: str | None, at: dict[str, Any]
) -> Any:
    """The model with all its weights. Raises `EngineError` if some are missing, unused or unfit."""
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        ignore_mismatched_sizes=True,  # named by `refuse_misfit`
        output_loading_info=True,
        trust_remote_code=False,
        **at,
    )
    model, info = loaded
    refuse_misfit(name, checkpoint, type(model).__name__, info)
    return model


class TransformersEngine(LocalModel):
    """A local model as an engine; studies of its internals use its attributes."""

    engine = "transformers"

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks, scores before draws. Yields finished records batch by batch."""
        self.read(task.request for task in tasks)
        scores = [task for task in tasks if isinstance(task, Score)]
        draws = [task for task in tasks if isinstance(task, Draw)]
        try:
            if scores:
                yield from map(self.marked, option_logprobs.score(self, scores))
            if draws:
                yield from map(self.marked, decoding.decode(self, draws))
        except FloatingPointError as error:
            raise EngineError(not_finite(self.name, self.dtype)) from error
