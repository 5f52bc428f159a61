"""One forward pass of any decoder in transformers, with explicit positions, mask and cache."""

from typing import Any

import torch

from workflow_scripts.inference.cache import MIN_ROWS, Prompts, Rows, up
from workflow_scripts.inference.engines import EngineError

HIDDEN = 1 << 30  # the position of a padded key: no query comes after it


class Forward:
    """Logits at chosen places only. Holds no state between calls."""

    def __init__(self, model: Any):
        self.model = model
        self.device = model.device
        self._wanted: tuple[torch.Tensor, torch.Tensor] | None = None
        config = model.config.get_text_config()
        self._windows = attention_windows(config)
        head = model.get_output_embeddings()
        # The head gets only the places that are wanted, and whatever a model does after it (soft
        # caps, scaling) still happens.
        head.register_forward_pre_hook(self._select)

    def _select(self, _head: Any, inputs: tuple[torch.Tensor, ...]) -> Any:
        if self._wanted is None:
            return None
        row, place = self._wanted
        return (inputs[0][row, place][None],)

    @torch.inference_mode()
    def __call__(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        masks: "torch.Tensor | dict[str, torch.Tensor]",
        cache: Prompts | Rows,
        wanted: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Float32 logits (wanted, vocabulary) at (row, place) pairs of `tokens` (rows, places)."""
        count = len(wanted[0])
        padding = torch.zeros(up(count, MIN_ROWS) - count, dtype=torch.int64, device=self.device)
        self._wanted = torch.cat([wanted[0], padding]), torch.cat([wanted[1], padding])
        try:
            output = self.model(
                input_ids=tokens,
                position_ids=positions,
                attention_mask=masks,
                past_key_values=cache,
                use_cache=True,
            )
        finally:
            self._wanted = None
        return output.logits[0, :count].float()

    def masks(self, visible: torch.Tensor, distance: torch.Tensor) -> Any:
        """Additive masks from `visible` (rows or 1, queries, keys) and query minus key position."""
        made = {}
        for kind, window in self._windows.items():
            seen = visible if window is None else visible & (distance < window)
            mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=self.device)
            mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)
            made[kind] = mask[:, None]
        return made.get("", made)


def attention_windows(config: Any) -> dict[str, int | None]:
    """Window (tokens, None for all) of each kind of attention layer; one kind is named "".

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
