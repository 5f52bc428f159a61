"""A model loaded in this process: what sampling and scoring use of it."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import torch

from workflow_scripts.inference.checkpoint import UNLIMITED, context, not_finite
from workflow_scripts.inference.encoding import Encoder, end_tokens
from workflow_scripts.inference.forward import Forward
from workflow_scripts.inference.rewriting import Rewriting
from workflow_scripts.inference.tasks import EngineError

# Prompt tokens per pass on a CPU: more do not fit into its caches, fewer leave its kernels idle.
CPU_PASS_TOKENS = 2048


class LocalModel(Encoder):
    """A loaded model. `context` is the maximum number of tokens of prompt and reply together."""

    def __init__(
        self,
        name: str,
        spec: dict[str, Any],
        model: Any,
        tokenizer: Any,
        identity: dict[str, Any],
        draws_as: str,
        batch_tokens: int,
        reuse_prefixes: bool,
    ):
        on_cpu = model.device.type == "cpu"
        super().__init__(tokenizer, spec)
        self.name = name
        self.model = model
        self.identity = identity
        self.draws_as = draws_as
        self.batch_tokens = batch_tokens
        self.pass_tokens = min(batch_tokens, CPU_PASS_TOKENS) if on_cpu else batch_tokens
        self.reuse_prefixes = reuse_prefixes
        self.dtype = str(model.dtype).removeprefix("torch.")
        self.device = model.device
        self.version = versions()
        self.forward = Forward(model)
        self._watch()
        config = model.config.get_text_config()
        self.vocabulary: int = model.get_output_embeddings().weight.shape[0]
        self.context: int = context(config, spec) or UNLIMITED
        self.ends = self._ends()
        self.token_texts = self._token_texts()

    def rewriting(self, rows: Sequence[Sequence[int]]) -> Rewriting:
        """Rows of tokens whose ends will be written anew, several times."""
        return Rewriting(self, rows)

    def _watch(self) -> None:
        """Let a study's own pass through the model raise `EngineError` for NaN or infinite states.

        Sampling and scoring look at the logits of their rows themselves. A copy of the model is not
        watched: a study may measure what overflows in another precision.
        """
        watched = self.model.get_output_embeddings()
        message = not_finite(self.name, self.dtype)
        forward = self.forward

        # A function: the copy of a hook that is a method would hold a copy of the whole engine.
        def look(head: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            own = head is watched and forward._wanted is None
            if own and not bool(inputs[0].isfinite().all()):
                raise EngineError(message)

        watched.register_forward_pre_hook(look)

    def _ends(self) -> np.ndarray:
        """Which tokens end a reply, shape (vocabulary,), bool."""
        ids = end_tokens(self.tokenizer, self.model.generation_config.eos_token_id)
        table = np.zeros(self.vocabulary, bool)
        table[[token for token in ids if token < self.vocabulary]] = True
        return table

    def _token_texts(self) -> list[str]:
        """The text of each token by itself; "" for ids unknown to the tokenizer."""
        known = min(len(self.tokenizer), self.vocabulary)
        texts = self.tokenizer.batch_decode([[token] for token in range(known)])
        return texts + [""] * (self.vocabulary - known)


def versions() -> str:
    """The versions of the libraries that compute a reply."""
    return f"transformers {metadata.version('transformers')}, torch {torch.__version__}"
