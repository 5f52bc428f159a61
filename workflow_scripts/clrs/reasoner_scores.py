"""Scores of a reasoner on a whole set of trajectories."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.clrs import metrics
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Trajectories

Arrays = dict[str, NDArray[Any]]


def predictions(
    reasoner: Reasoner, trajectories: Trajectories, batch: int
) -> tuple[Arrays, Arrays]:
    """Predicted and true outputs of all S trajectories by feature, shape (S, ...), in their order.

    Batches hold trajectories of similar length; a prediction does not depend on its batch.
    """
    device = next(reasoner.parameters()).device
    order = np.argsort(-trajectories.lengths, kind="stable")
    guesses: dict[str, list[torch.Tensor]] = {}
    truths: dict[str, list[torch.Tensor]] = {}
    rows = []
    for start in range(0, len(order), batch):
        indices = order[start : start + batch]
        drawn = trajectories.batch(indices)
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
