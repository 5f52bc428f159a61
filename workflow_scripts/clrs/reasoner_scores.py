"""Scores of a reasoner on a whole set of trajectories."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.clrs import metrics
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Batch, Trajectories

Arrays = dict[str, NDArray[Any]]

# Numbers in the vectors of all edges of a batch on a CPU. Larger tensors leave the cache and are
# mapped anew by the system at every step: batches of 32 graphs of 64 nodes take three times as long
# per graph as batches of 4, and those of 4 up to 1.4 times as long as those of 2.
MOST_NUMBERS = 1 << 20


def batches(trajectories: Trajectories, batch: int) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """All trajectories, longest first, `batch` at a time: their indices, and the batch."""
    order = np.argsort(-trajectories.lengths, kind="stable")
    for start in range(0, len(order), batch):
        indices = order[start : start + batch]
        yield indices, trajectories.batch(indices)


def predictions(
    reasoner: Reasoner, trajectories: Trajectories, batch: int
) -> tuple[Arrays, Arrays]:
    """Predicted and true outputs of all S trajectories by feature, shape (S, ...), in their order.

    Batches hold at most `batch` trajectories of similar length, on a CPU fewer of large graphs. A
    prediction does not depend on its batch.
    """
    device = next(reasoner.parameters()).device
    if device.type == "cpu":
        batch = min(batch, max(1, MOST_NUMBERS // (trajectories.nodes**2 * reasoner.width)))
    guesses: dict[str, list[torch.Tensor]] = {}
    truths: dict[str, list[torch.Tensor]] = {}
    rows = []
    for indices, drawn in batches(trajectories, batch):
        rows.append(indices[drawn.order.numpy()])
        for found, tensors in (
            (guesses, reasoner.predict(drawn.to(device))),
            (truths, drawn.outputs),
        ):
            for name, tensor in tensors.items():
                found.setdefault(name, []).append(tensor.cpu())
    back = np.argsort(np.concatenate(rows))
    return _joined(guesses, back), _joined(truths, back)


def _joined(parts: dict[str, list[torch.Tensor]], back: NDArray[np.int64]) -> Arrays:
    """Batches concatenated and reordered by `back`, shape (S,)."""
    return {name: torch.cat(tensors).numpy()[back] for name, tensors in parts.items()}


def score(reasoner: Reasoner, trajectories: Trajectories, batch: int = 32) -> dict[str, float]:
    """Score of each output, and their mean as `score` (`metrics.outputs`)."""
    spec = reasoner.specs[trajectories.algorithm]
    return metrics.outputs(spec, *predictions(reasoner, trajectories, batch))
