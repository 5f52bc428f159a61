"""A forward pass of a transformers decoder, with explicit positions and our own cache."""

from typing import Any

import torch
from torch.nn import functional

from workflow_scripts.inference import attention
from workflow_scripts.inference.attention import CURRENT, Pass
from workflow_scripts.inference.cache import MIN_ROWS, Prompts, Rows, up
from workflow_scripts.inference.packing import Packed
from workflow_scripts.inference.tasks import EngineError

HIDDEN = 1 << 30  # position of a padded key: after every query


class Forward:
    """Logits at chosen places only. Between calls it keeps nothing but packed weights."""

    def __init__(self, model: Any):
        self.model = model
        self.device = model.device
        self.packed = Packed(model)
        self._wanted: torch.Tensor | None = None
        self._config = model.config.get_text_config()
        head = model.get_output_embeddings()
        if head is None:
            raise EngineError(
                f"architecture {self._config.model_type!r} names no output layer; the transformers "
                "engine needs one: use engine vllm"
            )
        # The first position, for architectures that count from another number.
        self.first = 0
        # Whether some layers may attend to the last tokens only.
        self.windowed = bool(getattr(self._config, "sliding_window", None))
        # The head gets only the wanted places; what a model computes after it (soft caps, scaling)
        # still applies.
        head.register_forward_pre_hook(self._select)

    def _select(self, _head: Any, inputs: tuple[torch.Tensor, ...]) -> Any:
        if self._wanted is None:
            return None
        return (inputs[0].flatten(0, 1)[self._wanted.to(inputs[0].device)][None],)

    @torch.inference_mode()
    def __call__(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        sight: Pass,
        cache: Prompts | Rows,
        wanted: torch.Tensor,
    ) -> torch.Tensor:
        """Logits, shape (wanted, vocabulary), at `wanted`, indices into flat `tokens`.

        `tokens` and `positions` have shape (1, tokens) if packed, else (rows, 1). `sight` says
        what each of them attends to. The logits have the type in which the model computes them.
        """
        count = len(wanted)
        self._wanted = functional.pad(wanted, (0, up(count, MIN_ROWS) - count))
        usual = self._config._attn_implementation
        self._config._attn_implementation = attention.NAME
        before = CURRENT.set(sight)
        try:
            with self.packed.in_use():
                output = self.model(
                    input_ids=tokens,
                    position_ids=positions + self.first if self.first else positions,
                    past_key_values=cache,
                    use_cache=True,
                )
        finally:
            self._wanted = None
            CURRENT.reset(before)
            self._config._attn_implementation = usual
        return output.logits[0, :count]
