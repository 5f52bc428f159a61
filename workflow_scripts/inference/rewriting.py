"""Rows of tokens whose ends are written anew, several times: what stays passes the model once."""

from collections.abc import Sequence
from typing import Any

import torch

from workflow_scripts.inference import prefill
from workflow_scripts.inference.cache import BLOCK, Prompts
from workflow_scripts.inference.checkpoint import not_finite
from workflow_scripts.inference.tasks import EngineError


class Rewriting:
    """Rows of equally many tokens, shape (rows, tokens), of a local model.

    Raises `EngineError`, from either method, for logits that are NaN or infinite.
    """

    def __init__(self, engine: Any, rows: Sequence[Sequence[int]]) -> None:
        self.engine, self.rows = engine, rows
        self._cache: Prompts | None = None
        self._held: list[int] = []  # the rows in the cache

    @torch.inference_mode()
    def written(self, places: Sequence[int]) -> torch.Tensor:
        """Log-probabilities after the tokens at `places`, (rows, places, vocabulary), float32."""
        positions = [range(len(row)) for row in self.rows]
        wanted = [(row, place) for row in range(len(self.rows)) for place in places]
        self._cache, logits = prefill.run(
            self.engine.forward, self.rows, positions, None, wanted, self.engine.reuse_prefixes
        )
        self._held = list(range(len(self.rows)))
        return self._logs(logits, len(places))

    @torch.inference_mode()
    def rewritten(
        self, chosen: Sequence[int], rows: Sequence[Sequence[int]], same: int, places: Sequence[int]
    ) -> torch.Tensor:
        """The same for the `chosen` rows, written anew: (chosen, places, vocabulary).

        `rows` are whole rows, of any length, whose first `same` tokens are those of the last time;
        `places` are not among them. The others are forgotten. Call `written` first.
        """
        assert self._cache is not None
        at = torch.tensor([self._held.index(row) for row in chosen])
        kept = same // BLOCK * BLOCK
        prefix = self._cache.first(at, kept) if kept else None
        wanted = [(row, place) for row in range(len(rows)) for place in places]
        self._cache, logits = prefill.resumed(self.engine.forward, rows, wanted, prefix)
        self._held = list(chosen)
        return self._logs(logits, len(places))

    def _logs(self, logits: torch.Tensor, places: int) -> torch.Tensor:
        logs = logits.float().log_softmax(-1)
        if bool(logs.isnan().any()):
            raise EngineError(not_finite(self.engine.name, self.engine.dtype))
        return logs.unflatten(0, (-1, places))
