"""One-shot magnitude pruning without retraining, as in the official power-propagation notebook."""

from collections.abc import Sequence

import numpy as np
import torch

from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.training import Training


def levels(least: float, count: int) -> list[float]:
    """Shares of weights kept, evenly spaced in the logarithm from `least` to 1."""
    return [float(share) for share in np.geomspace(least, 1.0, count)]


def pruned(parameters: Parameters, kept: float) -> Parameters:
    """Each layer with only its `kept` largest weights by magnitude, biases untouched.

    The output layer keeps twice the share, at most all. At least one weight stays in a layer;
    equal magnitudes stay in the order of their places.
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
