"""CLRS scores of outputs and hints, as in the package (`clrs/_src/evaluation.py`).

F1 for masks, accuracy for pointers, categories and one-hot masks, mean squared error for scalars.
The score of an algorithm is the mean over its outputs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.clrs.specs import MASKED, Spec, Stage, Type, of_stage

Array = NDArray[Any]


def mask_f1(predicted: Array, truth: Array) -> float:
    """F1 of a 0/1 prediction over the unmasked entries, shapes equal; 1 if no entry is set."""
    counts = truth != MASKED
    positive, true = predicted > 0.5, truth > 0.5
    right = int((positive & true & counts).sum())
    wrong = int((positive & ~true & counts).sum())
    missed = int((~positive & true & counts).sum())
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = right / (right + missed) if right + missed else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def one_hot_accuracy(predicted: Array, truth: Array) -> float:
    """Share of equal argmaxes along the last axis of (..., C), over rows without masked entries."""
    counts = (truth != MASKED).all(-1)
    return float(((predicted.argmax(-1) == truth.argmax(-1)) & counts).sum() / counts.sum())


def score(kind: Type, predicted: Array, truth: Array) -> float:
    """Score of one feature, shapes equal; a permutation is scored as pointers, after `fuse`.

    Raises `ValueError` for a type that has no score.
    """
    match kind:
        case Type.SCALAR:
            return float(np.mean((predicted - truth) ** 2))
        case Type.MASK:
            return mask_f1(predicted, truth)
        case Type.MASK_ONE | Type.CATEGORICAL:
            return one_hot_accuracy(predicted, truth)
        case Type.POINTER | Type.PERMUTATION_POINTER:
            return float(np.mean(predicted == truth))
        case _:
            raise ValueError(f"{kind} has no score")


def fuse(matrix: Array, first: Array) -> Array:
    """Pointers, shape (..., N), of a permutation; the first node then points to itself.

    `matrix` has one-hot rows, shape (..., N, N); `first` masks the first node, shape (..., N).
    """
    return np.where(first > 0.5, np.arange(matrix.shape[-1]), matrix.argmax(-1))


def outputs(spec: Spec, predicted: dict[str, Array], truth: dict[str, Array]) -> dict[str, float]:
    """Score of each output, and their mean as `score`. `spec` is that of the reasoner.

    Both dictionaries map features to arrays of shape (B, ...).
    """
    wanted = of_stage(spec, Stage.OUTPUT)
    permutations = {f.name for f in wanted if f.type == Type.PERMUTATION_POINTER}
    found = {}
    for feature in wanted:
        name = feature.name
        if name.removesuffix("_mask") in permutations and name.endswith("_mask"):
            continue
        pair = (predicted[name], truth[name])
        if name in permutations:
            mask = f"{name}_mask"
            pair = (fuse(pair[0], predicted[mask]), fuse(pair[1], truth[mask]))
        found[name] = score(feature.type, *pair)
    return found | {"score": sum(found.values()) / len(found)}


def hints(
    spec: Spec, predicted: dict[str, Array], truth: dict[str, Array], lengths: Array
) -> dict[str, float]:
    """Score of each hint over all steps, weighted by the trajectories still running.

    `predicted`, shape (T - 1, B, ...), holds predictions of `truth[1:]`, (T - 1, B, ...).
    """
    found = {}
    for feature in of_stage(spec, Stage.HINT):
        guess, right = predicted[feature.name], truth[feature.name]
        total = 0.0
        for step in range(len(guess)):
            running = step + 1 < lengths
            if running.any():
                part = score(feature.type, guess[step][running], right[step + 1][running])
                total += part * running.sum()
        found[feature.name] = float(total / (lengths - 1).sum())
    return found
