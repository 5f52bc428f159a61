"""A forward pass of any transformers decoder, with explicit positions, mask and cache."""

from typing import Any

import torch
from torch.nn import functional

from workflow_scripts.inference import attention
from workflow_scripts.inference.attention import Layout
from workflow_scripts.inference.cache import MIN_ROWS, Prompts, Rows, up
from workflow_scripts.inference.tasks import EngineError

HIDDEN = 1 << 30  # position of a padded key: after every query


class Forward:
    """Logits at chosen places only. Has no state between calls."""

    def __init__(self, model: Any):
        self.model = model
        self.device = model.device
        self._wanted: torch.Tensor | None = None
        self._config = model.config.get_text_config()
        self._windows = attention_windows(self._config)
        # The head gets only the wanted places; what a model computes after it (soft caps, scaling)
        # still applies.
        model.get_output_embeddings().register_forward_pre_hook(self._select)

    def _select(self, _head: Any, inputs: tuple[torch.Tensor, ...]) -> Any:
        if self._wanted is None:
            return None
        return (inputs[0].flatten(0, 1)[self._wanted.to(inputs[0].device)][None],)

    @torch.inference_mode()
    def __call__(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        masks: Any,
        cache: Prompts | Rows,
        wanted: torch.Tensor,
        packed: Layout | None = None,
    ) -> torch.Tensor:
        """Float32 logits, shape (wanted, vocabulary), at `wanted`, indices into flat `tokens`.

        `tokens` and `positions` have shape (1, tokens) if `packed`, else (rows, 1).
        """
        count = len(wanted)
        self._wanted = functional.pad(wanted, (0, up(count, MIN_ROWS) - count))
        usual = self._config._attn_implementation
        self._config._attn_implementation = attention.NAME
        try:
            output = self.model(
                input_ids=tokens,
                position_ids=positions,
                attention_mask=masks,
                past_key_values=cache,
                use_cache=True,
                packed=packed,
            )
        finally:
            self._wanted = None
            self._config._attn_implementation = usual
        return output.logits[0, :count].float()

    @property
    def windowed(self) -> bool:
        """Whether some layers attend to the last tokens only."""
        return any(self._windows.values())

    def masks(self, visible: torch.Tensor, distance: torch.Tensor) -> Any:
        """Additive masks, by kind of layer, shape (rows or 1, 1, queries, keys).

        `visible` and `distance` (query minus key position) have shape (rows or 1, queries, keys).
        """
        made = {}
        for kind, window in self._windows.items():
            seen = visible if window is None else visible & (distance < window)
            mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=self.device)
            mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)
            made[kind] = mask[:, None]
        return made.get("", made)


def attention_windows(config: Any) -> dict[str, int | None]:
    """Window of each kind of attention layer, in tokens (None: unlimited); a single kind is "".

    Raises `EngineError` for layers whose state is not keys and values.
    """
    kinds = set(getattr(config, "layer_types", None) or [])
    other = kinds - {"full_attention", "sliding_attention"}
    if other:
        raise EngineError(
            f"architecture {config.model_type!r} has {', '.join(sorted(other))} layers; the "
            "transformers engine runs full and sliding-window attention only"
        )
    window = getattr(config, "sliding_window", None)
    if "sliding_attention" in kinds:
        return {"full_attention": None, "sliding_attention": window}
    if kinds or not getattr(config, "use_sliding_window", True):
        return {"": None}
    return {"": window}
