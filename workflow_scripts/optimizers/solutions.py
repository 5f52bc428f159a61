"""Pairs of solutions of different optimisers and seeds, compared as functions and as weights.

For each pair: the mean total variation between the two networks' predictions on the test set, and
the barrier between their weights, which is the largest excess of the training loss on the straight
line between them over the interpolated loss. No units are permuted to align the networks.
"""

from itertools import combinations
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.optimizers import metrics, network
from workflow_scripts.optimizers.data import Split, load
from workflow_scripts.optimizers.network import Parameters, blend
from workflow_scripts.optimizers.training import CHUNK
from workflow_scripts.shared import devices, job, progress, tables


def read_solutions(path: str) -> tuple[Parameters, Parameters, Tensor]:
    """Weights (S, out, in + 1) after the first and second order of batches; soundness (2, S)."""
    from safetensors.torch import load_file

    device = devices.for_tensors()
    tensors = load_file(path, device=device)
    sound = tensors.pop("sound")
    names = sorted(tensors)
    half = len(sound) // 2
    first = {name: tensors[name][:half] for name in names}
    return first, {name: tensors[name][half:] for name in names}, sound.view(2, half)


def logits(parameters: Parameters, x: Tensor) -> Tensor:
    """Predictions (R, N, 10) on one set of inputs (N, D)."""
    return torch.cat([network.forward(parameters, part)[0] for part in x.split(CHUNK)], 1)


def losses(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy in nats on one set, x (N, D) and y (N,), of each replica, shape (R,)."""
    predicted = logits(parameters, x)
    targets = y.expand(len(predicted), -1)
    return torch.nn.functional.cross_entropy(predicted.mT, targets, reduction="none").mean(1)


def barrier(first: Parameters, second: Parameters, x: Tensor, y: Tensor, points: int) -> Tensor:
    """Largest excess of the loss over the chord at `points` inner points, in nats, shape (R,).

    Matrices have shape (R, out, in + 1), x (N, D), y (N,).
    """
    count = len(next(iter(first.values())))
    ends = [losses(parameters, x, y) for parameters in (first, second)]
    excess = []
    for share in torch.linspace(0, 1, points + 2, device=x.device)[1:-1]:
        between = losses(blend(first, second, share.expand(count)), x, y)
        excess.append(between - torch.lerp(ends[0], ends[1], share))
    return torch.stack(excess).amax(0).clamp(min=0)


def compare(
    found: dict[str, tuple[Parameters, Parameters, Tensor]],
    parts: dict[str, Split],
    loss_examples: int,
    points: int,
) -> pd.DataFrame:
    """Rows of `function_distance` and `barrier_nats` for every pair and seed.

    `found` holds what `read_solutions` returns, in its shapes. `pair` is `batches` (one optimiser
    and start, two orders of batches), `optimizers` (one start and order, two optimisers) or `seeds`
    (one optimiser, two starts; each start is in one pair only).
    """
    device = next(iter(next(iter(found.values()))[0].values())).device
    x = torch.from_numpy(parts["train"].x[:loss_examples]).to(device)
    y = torch.from_numpy(parts["train"].y[:loss_examples]).to(device)
    test = torch.from_numpy(parts["test"].x).to(device)
    pairs: list[tuple[dict[str, str], Parameters, Parameters, Tensor]] = []
    for name, (first, second, sound) in found.items():
        key = {"pair": "batches", "optimizer": name, "other": name}
        pairs.append((key, first, second, sound.all(0)))
        even = len(sound[0]) - len(sound[0]) % 2
        halves = [{n: t[at:even:2] for n, t in first.items()} for at in (0, 1)]
        both = sound[0, 0:even:2] & sound[0, 1:even:2]
        pairs.append((key | {"pair": "seeds"}, halves[0], halves[1], both))
    for one, other in combinations(found, 2):
        key = {"pair": "optimizers", "optimizer": one, "other": other}
        both = found[one][2][0] & found[other][2][0]
        pairs.append((key, found[one][0], found[other][0], both))
    rows: list[dict[str, Any]] = []
    for key, first, second, sound in progress.track(pairs, description="pairs", unit="pair"):
        distance = metrics.function_distance(logits(first, test), logits(second, test))
        height = barrier(first, second, x, y, points)
        for metric, values in (("function_distance", distance), ("barrier_nats", height)):
            for seed, (value, use) in enumerate(zip(values.tolist(), sound.tolist(), strict=True)):
                rows.append(key | {"metric": metric, "seed": seed, "value": value, "sound": use})
    return pd.DataFrame(rows)


def main(
    data: str,
    weights: list[str],
    table: str,
    optimizers: list[str],
    loss_examples: int,
    points: int,
    provenance: dict[str, Any],
) -> None:
    """Compare the networks in `weights`, one file per optimiser, at `points` between each two."""
    found = {n: read_solutions(path) for n, path in zip(optimizers, weights, strict=True)}
    tables.write(compare(found, load(data), loss_examples, points), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
