"""Rows of tokens whose ends are written anew, several times: the rest passes the model once."""

from collections.abc import Sequence
from typing import Any

import torch

from workflow_scripts.inference import prefill
from workflow_scripts.inference.cache import BLOCK, Prompts
from workflow_scripts.inference.checkpoint import not_finite
from workflow_scripts.inference.tasks import EngineError


class Rewriting:
    """Rows of equally many tokens, of which the first `fixed` (one at least) stay as they are.

    Raises `EngineError`, from either method, for logits that are NaN or infinite.
    """

    def __init__(self, engine: Any, rows: Sequence[Sequence[int]], fixed: int) -> None:
        self.engine, self.rows = engine, rows
        # The last fixed token passes again: what comes after it may be asked for.
        self._kept = (fixed - 1) // BLOCK * BLOCK
        self._cache: Prompts | None = None

    @torch.inference_mode()
    def written(self, places: Sequence[int]) -> torch.Tensor:
        """Log-probabilities after the tokens at `places`, (rows, places, vocabulary), float32."""
        positions = [range(len(row)) for row in self.rows]
        wanted = [(row, place) for row in range(len(self.rows)) for place in places]
        self._cache, logits = prefill.run(
            self.engine.forward, self.rows, positions, None, wanted, self.engine.reuse_prefixes
        )
        return self._logs(logits, len(places))

    @torch.inference_mode()
    def rewritten(
        self, chosen: Sequence[int], rows: Sequence[Sequence[int]], places: Sequence[int]
    ) -> torch.Tensor:
        """The same for the `chosen` rows with new ends, (chosen, places, vocabulary).

        `rows` are the whole rows; `places` are those of the last fixed token and after it. `written`
        comes first.
        """
        assert self._cache is not None
        prefix = self._cache.first(torch.tensor(chosen), self._kept) if self._kept else None
        wanted = [(row, place) for row in range(len(rows)) for place in places]
        logits = prefill.resumed(self.engine.forward, rows, wanted, prefix)
        return self._logs(logits, len(places))

    def _logs(self, logits: torch.Tensor, places: int) -> torch.Tensor:
        logs = logits.float().log_softmax(-1)
        if bool(logs.isnan().any()):
            raise EngineError(not_finite(self.engine.name, self.engine.dtype))
        return logs.unflatten(0, (-1, places))
