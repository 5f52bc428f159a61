"""Metrics of a solution: ranks, forgetting, overlaps, sparsity, margins, similarity.

Shapes: R replicas, T tasks, N examples, P weights, k singular values.
"""

import torch
from torch import Tensor

ENERGY_DIRECTIONS = 5  # leading directions of an update, whose spans are compared between tasks
SMALL = 1.0e-2  # a weight below this share of the root mean square counts as zero
COUNTED = 1.0e-2  # a singular value counts from this share of the largest on


def singular_values(matrices: Tensor) -> Tensor:
    """Singular values in descending order, shape (R, k), of matrices (R, n, m)."""
    return torch.linalg.svdvals(matrices.double())


def effective_rank(values: Tensor) -> Tensor:
    """exp of the entropy of singular values (R, k) as shares, (R,) (Roy and Vetterli 2007)."""
    shares = values / values.sum(-1, keepdim=True).clamp(min=1.0e-300)
    return torch.special.entr(shares).sum(-1).exp()


def stable_rank(values: Tensor) -> Tensor:
    """Sum of squared singular values (R, k) over the largest squared, shape (R,)."""
    squares = values**2
    return squares.sum(-1) / squares[..., 0].clamp(min=1.0e-300)


def counted_rank(values: Tensor) -> Tensor:
    """How many singular values (R, k) are at least 1 % of the largest, shape (R,)."""
    return (values >= COUNTED * values[..., :1]).sum(-1).to(values.dtype)


def ranks(values: Tensor) -> dict[str, Tensor]:
    """All three ranks of singular values (R, k) by name, shape (R,) each."""
    return {
        "effective_rank": effective_rank(values),
        "stable_rank": stable_rank(values),
        "counted_rank": counted_rank(values),
    }


def activation_values(activations: Tensor) -> Tensor:
    """Singular values (R, width), descending, of activations (R, N, width) minus their mean.

    Taken from the covariance, whose size does not depend on the number of examples.
    """
    rows = activations.double()
    rows = rows - rows.mean(1, keepdim=True)
    return torch.linalg.eigvalsh(rows.mT @ rows).flip(-1).clamp(min=0).sqrt()


def average_accuracy(matrix: Tensor) -> Tensor:
    """Mean accuracy over all tasks after the last, (R,); `matrix` (R, T, T) is [after, on]."""
    return matrix[:, -1].mean(-1)


def forgetting(matrix: Tensor) -> Tensor:
    """Best minus final accuracy over earlier tasks, (R,); `matrix` (R, T, T) is [after, on]."""
    last = matrix.shape[1] - 1
    best = torch.stack([matrix[:, i:last, i].amax(1) for i in range(last)], 1)
    return (best - matrix[:, last, :last]).mean(1)


def backward_transfer(matrix: Tensor) -> Tensor:
    """Final minus first accuracy over earlier tasks, (R,); `matrix` (R, T, T) is [after, on]."""
    last = matrix.shape[1] - 1
    learned = matrix.diagonal(dim1=1, dim2=2)[:, :last]
    return (matrix[:, last, :last] - learned).mean(1)


def forward_transfer(matrix: Tensor, untrained: Tensor) -> Tensor:
    """Mean over later tasks of the accuracy just before learning minus that of the start.

    `matrix` as in `average_accuracy`, `untrained` (R, T); shape (R,).
    """
    before = matrix.diagonal(offset=1, dim1=1, dim2=2)
    return (before - untrained[:, 1:]).mean(1)


def overlap(first: Tensor, second: Tensor, directions: int = ENERGY_DIRECTIONS) -> Tensor:
    """Overlap of the leading right singular subspaces of two updates (R, out, in), shape (R,).

    ||A'B||^2 / k for orthonormal bases A and B of k input directions: 1 for equal subspaces,
    k / in on average for unrelated ones.
    """
    k = min(directions, *first.shape[-2:])
    bases = [torch.linalg.svd(t.double(), full_matrices=False)[2][:, :k] for t in (first, second)]
    return (bases[0] @ bases[1].mT).square().sum((-2, -1)) / k


def small_share(weights: Tensor) -> Tensor:
    """Share of `weights` (R, P) below 1 % of their root mean square, shape (R,)."""
    scale = weights.square().mean(-1, keepdim=True).sqrt()
    return (weights.abs() < SMALL * scale).to(weights.dtype).mean(-1)


def hoyer(weights: Tensor) -> Tensor:
    """Hoyer's sparsity (2004) of `weights` (R, P), (R,): 0 all equal, 1 a single non-zero."""
    root = weights.shape[-1] ** 0.5
    ratio = weights.abs().sum(-1) / weights.norm(dim=-1).clamp(min=1.0e-30)
    return (root - ratio) / (root - 1)


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Right logit minus the largest other; logits (R, N, C), labels (R, N), shape (R, N)."""
    right = logits.gather(-1, labels[..., None])[..., 0]
    others = logits.scatter(-1, labels[..., None], -torch.inf).amax(-1)
    return right - others


def spectral_product(matrices: list[Tensor]) -> Tensor:
    """Product over layers (R, n, m) of the largest singular value, shape (R,)."""
    return torch.stack([singular_values(m)[:, 0] for m in matrices]).prod(0)


def function_distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean total variation between two networks' predictions; logits (R, N, C), shape (R,)."""
    return (first.softmax(-1) - second.softmax(-1)).abs().sum(-1).mean(-1) / 2


def class_cosines(activations: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Cosines (R, C, C) of the classes' mean `activations` (R, N, width); `labels` (R, N)."""
    one_hot = torch.nn.functional.one_hot(labels, classes).to(activations.dtype)
    means = torch.nn.functional.normalize(one_hot.mT @ activations, dim=-1)
    return means @ means.mT


def off_diagonal(matrices: Tensor) -> Tensor:
    """The entries off the diagonal of (R, n, n), shape (R, n (n - 1))."""
    n = matrices.shape[-1]
    mask = ~torch.eye(n, dtype=torch.bool, device=matrices.device)
    return matrices[:, mask]
