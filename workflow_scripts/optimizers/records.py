"""Rows of metrics as the scripts record them: one row per replica, metric and place."""

from typing import Any

import pandas as pd
from torch import Tensor

from workflow_scripts.optimizers import metrics

Key = dict[str, Any]


class Record:
    """Rows of metrics; `keys` identifies each of the R replicas."""

    def __init__(self, keys: list[Key]) -> None:
        self.keys, self.rows = keys, list[Key]()

    def add(self, metric: str, values: Tensor, where: Tensor | None = None, **place: Any) -> None:
        """Add one row for each replica from `values` (R,), or only `where`, shape (R,), is true."""
        wanted = [True] * len(self.keys) if where is None else where.tolist()
        for key, value, keep in zip(self.keys, values.tolist(), wanted, strict=True):
            if keep:
                self.rows.append(key | place | {"metric": metric, "value": float(value)})

    def add_ranks(self, kind: str, values: Tensor, **place: Any) -> None:
        """Add the three ranks of singular values, shape (R, k)."""
        for metric, rank in metrics.ranks(values).items():
            self.add(f"{kind}_{metric}", rank, **place)

    def add_spectrum(self, kind: str, values: Tensor, **place: Any) -> None:
        """Add singular values, shape (R, k) and descending, as shares of the largest."""
        shares = values / values[:, :1].clamp(min=1.0e-30)
        for index in range(shares.shape[1]):
            self.add(f"{kind}_spectrum", shares[:, index], index=index, **place)

    def frame(self, alive: Tensor) -> pd.DataFrame:
        """All rows, with `diverged` from the replicas still `alive`, shape (R,)."""
        flags = pd.DataFrame(self.keys).assign(diverged=(~alive).tolist())
        return pd.DataFrame(self.rows).merge(flags, on=list(self.keys[0]), how="left")
