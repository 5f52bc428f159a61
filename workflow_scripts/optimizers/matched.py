"""One optimiser trained to the same training loss as all others, and its solutions measured.

Every seed is trained twice from the same start, on batches in two orders: how far two runs of one
optimiser part is what the distance between optimisers is held against.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.optimizers import data, hessian, measures, pruning, tune, updates
from workflow_scripts.optimizers.continual import Record, squared_distance
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.shared import files, job, progress, provenance, seeds, tables

ORDERS = ("first", "second")  # of the batches
MARGIN_QUANTILE = 0.05


@dataclass(frozen=True)
class Settings:
    hidden: list[int]
    batch: int
    seeds: int
    stop_nats: float
    most_steps: int
    loss_examples: int  # training examples over which loss and curvature are taken
    lanczos_steps: int
    trace_probes: int
    least_kept: float
    levels: int  # of pruning


def solve(
    rule: updates.Rule, rate: float, settings: Settings, parts: dict[str, Split], seed: int
) -> Training:
    """Networks of all seeds and both batch orders at the wanted training loss.

    Replica order: all seeds with the first order of batches, then all with the second.
    """
    starts = [str(index) for index in range(settings.seeds)]
    names = [f"{start} {order}" for order in ORDERS for start in starts]
    stream = Stream("single", 1, parts, names, seed, starts * len(ORDERS))
    replicas = [Replica(row, rate, settings.stop_nats) for row in range(len(names))]
    training = Training(stream, settings.hidden, CLASSES, rule, replicas)
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
    """Everything measured on single solutions, one row a replica and metric."""
    keys = [{"seed": index, "order": order} for order in ORDERS for index in range(settings.seeds)]
    record = Record(keys)
    parameters: Parameters = training.parameters
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
        for metric, rank in measures.ranks(measures.singular_values(matrix)).items():
            record.add(f"weight_{metric}", rank, layer=name)
    logits, labels, hidden = training.outputs("train", 0, settings.loss_examples)
    for index, layer in enumerate(hidden, start=1):
        for metric, rank in measures.ranks(measures.activation_values(layer)).items():
            record.add(f"activation_{metric}", rank, layer=f"hidden{index}")
    weights = torch.cat([matrix.flatten(1) for matrix in matrices], 1)
    record.add("small_weight_share", measures.small_share(weights))
    record.add("hoyer_sparsity", measures.hoyer(weights))
    scale = measures.spectral_product(matrices)[:, None]
    margins = measures.margins(logits, labels)
    record.add("margin_mean", (margins / scale).mean(1))
    record.add("margin_low", (margins / scale).quantile(MARGIN_QUANTILE, dim=1))
    kept = pruning.levels(settings.least_kept, settings.levels)
    for share, accuracy in zip(kept, pruning.curve(training, kept), strict=True):
        record.add("pruned_accuracy", accuracy, kept=share)
    flags = pd.DataFrame(keys).assign(diverged=(~training.alive).tolist())
    return pd.DataFrame(record.rows).merge(flags, on=["seed", "order"], how="left")


def write_solutions(path: str | Path, training: Training) -> None:
    """Weights of all replicas and whether each is sound, as safetensors."""
    from safetensors.torch import save_file

    tensors = {name: tensor.cpu().contiguous() for name, tensor in training.parameters.items()}
    sound = (training.alive & ~training.moving).cpu()
    with files.atomic(path) as temporary:
        save_file(tensors | {"sound": sound}, temporary)


def main(
    table: str,
    solutions: str,
    data_file: str,
    tuning: str,
    optimizer: str,
    rule_settings: dict[str, Any],
    settings: Settings,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    rate = tune.chosen(tables.read(tuning), "permuted")
    rule = updates.rule(optimizer, rule_settings)
    training = solve(rule, rate, settings, data.load(data_file), seed)
    frame = measure(training, settings, seed).assign(learning_rate=rate)
    tables.write(frame, table, provenance=provenance | {"settings": asdict(settings)})
    write_solutions(solutions, training)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            snakemake.output.solutions,
            snakemake.input.data,
            snakemake.input.tuning,
            snakemake.wildcards.optimizer,
            params.rule["settings"],
            Settings(
                hidden=params.hidden,
                batch=params.batch,
                seeds=params.seeds,
                stop_nats=params.solutions["stop_nats"],
                most_steps=params.solutions["most_steps"],
                loss_examples=params.solutions["loss_examples"],
                lanczos_steps=params.solutions["lanczos_steps"],
                trace_probes=params.solutions["trace_probes"],
                least_kept=params.pruning["least_kept"],
                levels=params.pruning["levels"],
            ),
            params.seed,
            provenance=provenance.of(snakemake),
        )
