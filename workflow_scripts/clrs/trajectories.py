"""Batches of exported trajectories for the reasoner."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.clrs import specs, store
from workflow_scripts.clrs.specs import Spec, Stage, Type
from workflow_scripts.shared import seeds

Columns = dict[str, NDArray[Any]]
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """B trajectories of one size, longest first; features keyed by name.

    Pointers are integer indices, everything else is float32. Inputs and outputs have shape
    (B, ...), hints (T, B, ...) with zeros after the end of a trajectory. `lengths`, shape (B,), is
    the number of hints of each; `order`, shape (B,), its place among the requested indices.
    """

    algorithm: str
    inputs: Tensors
    hints: Tensors
    outputs: Tensors
    lengths: Tensor
    order: Tensor

    @property
    def nodes(self) -> int:
        """N, the nodes of every sample."""
        return self.inputs["pos"].shape[1]

    def to(self, device: str | torch.device) -> "Batch":
        """The batch with its features on a device; shapes stay the same."""
        moved: dict[str, Any] = {
            part: {name: tensor.to(device) for name, tensor in getattr(self, part).items()}
            for part in ("inputs", "hints", "outputs")
        }
        return replace(self, **moved)


class Trajectories:
    """A set of S trajectories of one algorithm at one size.

    `spec` is the package's; the attribute `spec` is the reasoner's (`specs.for_reasoner`). Columns
    are as exported. `lengths`, shape (S,), counts hints; sample i's begin at `starts[i]`.
    """

    def __init__(self, algorithm: str, spec: Spec, columns: Columns) -> None:
        self.algorithm, self.package_spec = algorithm, spec
        self.spec = specs.for_reasoner(algorithm, spec)
        self.columns = columns
        self.lengths = columns["lengths"].astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def nodes(self) -> int:
        """N, the nodes of every sample."""
        return int(self.columns["input/pos"].shape[1])

    def batch(self, indices: NDArray[np.int64], random: np.random.Generator | None = None) -> Batch:
        """The samples at `indices`, shape (B,), longest first.

        With `random`, the input `pos` is a sorted sequence of uniform numbers instead of evenly
        spaced ones (Ibarz et al. 2022, section 3.2.1; string algorithms have one sequence for each
        of their two strings).
        """
        order = np.argsort(-self.lengths[indices], kind="stable")
        if random is not None:
            drawn = random.uniform(size=(len(indices), self.columns["input/pos"].shape[1]))[order]
        rows = indices[order]
        lengths = self.lengths[rows]
        inputs, hints, outputs = {}, {}, {}
        steps = np.arange(lengths.max())[:, None]
        there = steps < lengths
        place = np.where(there, self.starts[rows] + steps, 0)
        for feature in self.package_spec:
            column = self.columns[f"{feature.stage}/{feature.name}"]
            if feature.stage == Stage.HINT:
                if feature.name == "pred_h" and self.algorithm in specs.STATIC_PREDECESSOR:
                    inputs["pred"] = column[self.starts[rows]]
                    continue
                value = column[place]
                value[~there] = 0
                hints[feature.name] = value
            elif feature.type == Type.SHOULD_BE_PERMUTATION:
                matrix, first = permutation(column[rows].astype(np.int64))
                outputs[feature.name], outputs[f"{feature.name}_mask"] = matrix, first
            else:
                target = inputs if feature.stage == Stage.INPUT else outputs
                target[feature.name] = column[rows]
        if random is not None:
            inputs["pos"] = random_positions(inputs["pos"], drawn)
        return Batch(
            self.algorithm,
            self._tensors(inputs),
            self._tensors(hints),
            self._tensors(outputs),
            torch.from_numpy(lengths),
            torch.from_numpy(order),
        )

    def _tensors(self, arrays: Columns) -> Tensors:
        """Arrays as tensors of the same shapes, in the types of `Batch`."""
        pointers = {feature.name for feature in self.spec if feature.type == Type.POINTER}
        return {
            name: torch.from_numpy(
                array.astype(np.int64 if name in pointers else np.float32, copy=False)
            )
            for name, array in arrays.items()
        }


class Schedule:
    """The samples of every training batch, as a function of seed and step number alone.

    Every epoch shuffles the samples, sorts them by length within windows of `WINDOW` batches, cuts
    the batches and shuffles those. A batch holds trajectories of similar length, so few of its
    steps are padding. An epoch drops its last samples if they do not fill a batch.

    `lengths` has shape (S,). Raises `ValueError` if S is smaller than `batch`.
    """

    WINDOW = 8

    def __init__(self, lengths: NDArray[np.int64], batch: int, seed: int) -> None:
        if len(lengths) < batch:
            raise ValueError(
                f"expected at least one batch of {batch} trajectories, found {len(lengths)}; "
                "draw more samples or make batches smaller"
            )
        self.lengths, self.batch, self.seed = lengths, batch, seed
        self.per_epoch = len(lengths) // batch
        self._epoch, self._batches = -1, np.empty((0, batch), dtype=np.int64)

    def step(self, number: int) -> NDArray[np.int64]:
        """Indices of the samples of batch `number`, shape (batch,)."""
        epoch, place = divmod(number, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._cut(epoch)
        return self._batches[place]

    def _cut(self, epoch: int) -> NDArray[np.int64]:
        """All batches of an epoch, shape (per_epoch, batch)."""
        random = seeds.generator(self.seed, "epoch", epoch)
        order = random.permutation(len(self.lengths))[: self.per_epoch * self.batch]
        window = self.WINDOW * self.batch
        for start in range(0, len(order), window):
            part = order[start : start + window]
            order[start : start + window] = part[np.argsort(self.lengths[part], kind="stable")]
        return random.permutation(order.reshape(self.per_epoch, self.batch))


def read(path: str | Path, algorithm: str, split: str, nodes: int) -> Trajectories:
    """Read one exported set."""
    return Trajectories(algorithm, store.read_spec(path), store.read(path, split, nodes))


def permutation(predecessors: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Predecessors of a linear order, shape (B, N), as a cyclic permutation and its first node.

    The first node points to itself in `predecessors` and to the last node in the permutation,
    shape (B, N, N), rows one-hot. The mask of the first node has shape (B, N).
    """
    size = predecessors.shape[1]
    identity = np.eye(size, dtype=np.float32)
    matrix = identity[predecessors]
    last = matrix.sum(1).argmin(-1)  # no node has it as its predecessor
    first = np.diagonal(matrix, axis1=1, axis2=2).argmax(-1)
    mask = identity[first]
    matrix += mask[:, :, None] * (identity[last] - mask)[:, None]
    return matrix, mask


def random_positions(even: NDArray[Any], uniform: NDArray[Any]) -> NDArray[Any]:
    """`uniform`, shape (B, N), sorted within each run of `even`, same shape, that starts at 0."""
    runs = np.cumsum(even == 0, axis=1)
    return np.take_along_axis(uniform, np.lexsort((uniform, runs), axis=1), axis=1).astype(
        np.float32
    )
