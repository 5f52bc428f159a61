"""One optimiser trained to the same training loss as all others, and metrics of its solutions.

Every seed is trained twice from the same start, on batches in two orders. The distance between the
two runs of one optimiser is the baseline for the distance between optimisers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.optimizers import hessian, metrics, pruning, registry, tune
from workflow_scripts.optimizers.data import CLASSES, Split, load
from workflow_scripts.optimizers.network import squared_distance
from workflow_scripts.optimizers.records import Record
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Optimizer
from workflow_scripts.shared import files, job, progress, seeds, tables

ORDERS = ("first", "second")  # of the batches
MARGIN_QUANTILE = 0.05


@dataclass(frozen=True)
class Settings:
    """How the networks are trained, and what their curvature and pruning are measured with."""

    hidden: list[int]
    batch: int
    seeds: int
    stop_nats: float  # training loss at which every replica stops
    most_steps: int
    loss_examples: int  # training examples over which loss and curvature are taken
    lanczos_steps: int
    trace_probes: int
    least_kept: float  # share of the weights that the strongest pruning keeps
    levels: int  # of pruning


def solve(
    optimizer: Optimizer, rate: float, settings: Settings, parts: dict[str, Split], seed: int
) -> Training:
    """Networks at the loss `stop_nats`: all seeds with one batch order, then with the other."""
    starts = [str(index) for index in range(settings.seeds)]
    names = [f"{start} {order}" for order in ORDERS for start in starts]
    stream = Stream("single", 1, parts, names, seed, starts * len(ORDERS))
    replicas = [Replica(row, rate, settings.stop_nats) for row in range(len(names))]
    training = Training(stream, settings.hidden, CLASSES, optimizer, replicas)
    start = dict(training.parameters)
    with progress.bar(settings.most_steps, "matched", "step") as bar:
        training.train_task(
            0,
            settings.most_steps,
            settings.batch,
            settings.loss_examples,
            after_step=lambda _: bar.update(),
        )
    training.state = {"start": start}
    return training


def measure(training: Training, settings: Settings, seed: int) -> pd.DataFrame:
    """One row of metrics of the solutions per replica, metric and layer."""
    keys = [{"seed": index, "order": order} for order in ORDERS for index in range(settings.seeds)]
    record = Record(keys)
    parameters = training.parameters
    x, y = training.stream.whole("train", 0, training.rows, settings.loss_examples)
    record.add("steps", training.steps)
    record.add("reached", ~training.moving)
    record.add("train_loss_nats", training.task_loss(0, settings.loss_examples))
    record.add("test_accuracy", training.accuracy("test", 0))
    start = training.state["start"]
    record.add("distance_from_start", squared_distance(parameters, start).sqrt())
    generator = torch.Generator().manual_seed(seeds.derive(seed, "optimizers", "hessian"))
    record.add("sharpness", hessian.sharpness(parameters, x, y, settings.lanczos_steps, generator))
    trace, error = hessian.trace(parameters, x, y, settings.trace_probes, generator)
    record.add("hessian_trace", trace)
    record.add("hessian_trace_standard_error", error)
    matrices = [matrix[..., :-1] for matrix in parameters.values()]
    for name, matrix in zip(parameters, matrices, strict=True):
        record.add_ranks("weight", metrics.singular_values(matrix), layer=name)
    logits, labels, hidden = training.outputs("train", 0, settings.loss_examples)
    for index, layer in enumerate(hidden, start=1):
        record.add_ranks("activation", metrics.activation_values(layer), layer=f"hidden{index}")
    pruning.record_sparsity(record, training, settings.least_kept, settings.levels)
    margins = metrics.margins(logits, labels) / metrics.spectral_product(matrices)[:, None]
    record.add("margin_mean", margins.mean(1))
    record.add("margin_low", margins.quantile(MARGIN_QUANTILE, dim=1))
    return record.frame(training.alive)


def write_solutions(path: str | Path, training: Training) -> None:
    """Write all weights as safetensors, and `sound` (R,): not diverged, loss reached."""
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu().contiguous() for name, tensor in training.parameters.items()}
    sound = (training.alive & ~training.moving).cpu()
    with files.atomic(path) as temporary:
        save_file(tensors | {"sound": sound}, temporary)


def main(
    data: str,
    tuning: str,
    table: str,
    weights: str,
    optimizer: str,
    settings: dict[str, Any],
    training: dict[str, Any],
    solutions: dict[str, Any],
    pruning: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one optimiser to one loss; write metrics (`table`) and networks (`weights`)."""
    rate = tune.chosen(tables.read(tuning), "permuted")
    plan = Settings(**training, **solutions, **pruning)
    solved = solve(registry.optimizer(optimizer, settings), rate, plan, load(data), seed)
    frame = measure(solved, plan, seed).assign(learning_rate=rate)
    tables.write(frame, table, provenance=provenance)
    write_solutions(weights, solved)


if __name__ == "__main__":
    job.run(snakemake, main)
