"""One-shot magnitude pruning without retraining, as in the official power-propagation notebook."""

from collections.abc import Sequence

import numpy as np
import torch

from workflow_scripts.optimizers import metrics
from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.records import Record
from workflow_scripts.optimizers.training import Training


def levels(least: float, count: int) -> list[float]:
    """Shares of weights kept, evenly spaced in the logarithm from `least` to 1."""
    return [float(share) for share in np.geomspace(least, 1.0, count)]


def pruned(parameters: Parameters, kept: float) -> Parameters:
    """The share `kept` of each layer's weights that is largest in magnitude, and all biases.

    Layers have shape (R, out, in + 1). The output layer keeps twice the share, at most all. Each
    layer keeps at least one weight; among equal magnitudes the first is kept.
    """
    names = list(parameters)
    result = {}
    for name, matrix in parameters.items():
        share = min(1.0, 2 * kept) if name == names[-1] else kept
        weights = matrix[..., :-1].flatten(1)
        count = max(1, round(share * weights.shape[1]))
        order = weights.abs().argsort(dim=1, descending=True, stable=True)
        mask = torch.zeros_like(weights).scatter(1, order[:, :count], 1.0)
        cut = (weights * mask).reshape(matrix[..., :-1].shape)
        result[name] = torch.cat([cut, matrix[..., -1:]], -1)
    return result


def curve(training: Training, kept: Sequence[float]) -> torch.Tensor:
    """Test accuracy of each replica at each share kept, shape (len(kept), R)."""
    whole = training.parameters
    accuracies = []
    for share in kept:
        training.parameters = pruned(whole, share)
        accuracies.append(training.accuracy("test", 0))
    training.parameters = whole
    return torch.stack(accuracies)


def record_sparsity(record: Record, training: Training, least: float, count: int) -> None:
    """Record how sparse the weights are, and the test accuracy at each of `levels`."""
    matrices = training.parameters.values()
    weights = torch.cat([matrix[..., :-1].flatten(1) for matrix in matrices], 1)
    record.add("small_weight_share", metrics.small_share(weights))
    record.add("hoyer_sparsity", metrics.hoyer(weights))
    kept = levels(least, count)
    for share, accuracy in zip(kept, curve(training, kept), strict=True):
        record.add("pruned_accuracy", accuracy, kept=share)
