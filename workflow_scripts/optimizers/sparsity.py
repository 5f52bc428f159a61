"""E4: power-propagation in both forms, then magnitude pruning without retraining.

The official notebook's protocol, by default with a smaller network and fewer steps: pixels from 0
to 1, plain SGD at one rate for all exponents. All exponents and seeds are replicas of one run per
form.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.optimizers import power_propagation
from workflow_scripts.optimizers.data import CLASSES, Split, load, unit
from workflow_scripts.optimizers.network import squared_distance
from workflow_scripts.optimizers.power_propagation import FORMS
from workflow_scripts.optimizers.pruning import record_sparsity
from workflow_scripts.optimizers.records import Key, Record
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.shared import files, job, progress, tables

PARTS = 20  # of a training run, with a checkpoint after each


@dataclass(frozen=True)
class Settings:
    """How the networks are trained and pruned."""

    hidden: list[int]
    alphas: list[float]
    rate: float
    batch: int
    steps: int
    seeds: int
    least_kept: float
    levels: int


def train(
    form: str, settings: Settings, parts: dict[str, Split], seed: int, checkpoint: Path
) -> Training:
    """Networks of all exponents and seeds, in that order."""
    names = [str(index) for index in range(settings.seeds)]
    stream = Stream("single", 1, parts, names, seed)
    replicas = [Replica(row, settings.rate) for _ in settings.alphas for row in range(len(names))]
    repeated = [float(alpha) for alpha in settings.alphas for _ in names]
    alphas = torch.tensor(repeated, device=stream.device)
    optimizer = power_propagation.optimizer(form, alphas, settings.rate)
    training = Training(stream, settings.hidden, CLASSES, optimizer, replicas)
    done = training.restore(checkpoint) if checkpoint.exists() else 0
    index, noise = stream.draws(0, settings.steps, settings.batch)
    every = max(1, settings.steps // PARTS)
    with progress.bar(settings.steps, form, "step") as bar:
        bar.update(done)
        for step in range(done, settings.steps):
            x, y = stream.batch(0, training.rows, index[:, step])
            training.advance(x, y, noise[training.rows, step], refresh=True)
            bar.update()
            if (step + 1) % every == 0:
                training.save(checkpoint, step + 1)
    return training


def keys(form: str, settings: Settings) -> list[Key]:
    """The form, exponent and seed of each replica, in the order of `train`."""
    seeds = range(settings.seeds)
    return [{"form": form, "alpha": a, "seed": seed} for a in settings.alphas for seed in seeds]


def measure(form: str, training: Training, settings: Settings) -> pd.DataFrame:
    """One row per replica and metric of the trained networks of one form."""
    record = Record(keys(form, settings))
    record_sparsity(record, training, settings.least_kept, settings.levels)
    record.add("train_loss_nats", training.task_loss(0, len(training.stream.y["train"])))
    return record.frame(training.alive)


def form_gap(first: Training, second: Training, settings: Settings) -> pd.DataFrame:
    """Distance between the end points of the two forms over the norm of the first, by replica."""
    record = Record(keys("both", settings))
    origin = {name: torch.zeros_like(tensor) for name, tensor in first.parameters.items()}
    norm = squared_distance(first.parameters, origin)
    gap = squared_distance(first.parameters, second.parameters)
    record.add("relative_gap", (gap / norm).sqrt())
    return record.frame(first.alive & second.alive)


def main(
    data: str,
    table: str,
    sparsity: dict[str, Any],
    pruning: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train and prune networks under both forms, and write `table`."""
    parts, settings = unit(load(data)), Settings(**sparsity, **pruning)
    work = files.work_folder(
        "optimizers_sparsity",
        code=provenance["code"],
        data=files.file_hash(data),
        settings=asdict(settings),
        seed=seed,
    )
    checkpoints = {form: work / f"{form}.pt" for form in FORMS}
    trained = {form: train(form, settings, parts, seed, path) for form, path in checkpoints.items()}
    found = [measure(form, training, settings) for form, training in trained.items()]
    found.append(form_gap(trained[FORMS[0]], trained[FORMS[1]], settings))
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)
    for checkpoint in checkpoints.values():
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
