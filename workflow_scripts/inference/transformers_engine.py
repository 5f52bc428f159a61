"""Models in this process, through transformers: sampling, scoring, and a door to the inside.

White-box studies use `.model`, `.tokenizer` and `.encode`; `load(..., attention="eager")` lets the
model return its attention weights.
"""

import os
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import torch

from workflow_scripts.inference import chat, decoding, option_logprobs
from workflow_scripts.inference.checkpoint import content, missing
from workflow_scripts.inference.encoding import Encoder, end_tokens
from workflow_scripts.inference.forward import Forward
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Score, Task

# Stands for the code that decides a reply, in the name of the folder that keeps the replies. It is
# a constant so that no refactoring loses replies that were paid for; see test_reply_code.py.
REPLY_CODE = "19e68edcb6287112"

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
        raise EngineError(chat.no_template(name))
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
        "code": REPLY_CODE,
    }
    batch_tokens = spec.get("batch_tokens", batch_tokens)
    return TransformersEngine(name, spec, model, tokenizer, identity, batch_tokens, reuse_prefixes)


class TransformersEngine(Encoder):
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
        super().__init__(tokenizer, spec)
        self.name = name
        self.model = model
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

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks: scores first, then draws. Yields finished records a batch at a time."""
        self.read(task.request for task in tasks)
        scores = [task for task in tasks if isinstance(task, Score)]
        draws = [task for task in tasks if isinstance(task, Draw)]
        if scores:
            yield from option_logprobs.score(self, scores)
        if draws:
            yield from decoding.decode(self, draws)

    def _ends(self) -> np.ndarray:
        """(vocabulary,) bool: tokens that end a reply."""
        ids = end_tokens(self.tokenizer, self.model.generation_config.eos_token_id)
        table = np.zeros(self.vocabulary, bool)
        table[[token for token in ids if token < self.vocabulary]] = True
        return table

    def _token_texts(self) -> list[str]:
        """The text of each token by itself; "" for ids that the tokenizer does not know."""
        known = min(len(self.tokenizer), self.vocabulary)
        texts = self.tokenizer.batch_decode([[token] for token in range(known)])
        return texts + [""] * (self.vocabulary - known)


def _version() -> str:
    return f"transformers {metadata.version('transformers')}, torch {torch.__version__}"
