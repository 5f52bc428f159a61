"""E4: power-propagation in both forms, then pruned by magnitude without retraining.

The official notebook's protocol, a shorter training and a smaller network by default: plain SGD
at one rate for all exponents, all exponents and seeds as replicas of one run for each form.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.optimizers import data, measures, power_propagation, pruning
from workflow_scripts.optimizers.continual import Record, squared_distance
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Rule
from workflow_scripts.shared import files, job, progress, provenance, tables

PARTS = 20  # of a training, with a checkpoint after each


@dataclass(frozen=True)
class Settings:
    hidden: list[int]
    alphas: list[float]
    rate: float
    batch: int
    steps: int
    seeds: int
    least_kept: float
    levels: int


def rule(form: str, alphas: torch.Tensor, rate: float) -> Rule:
    if form == "preconditioned":
        return power_propagation.Preconditioned(alphas)
    return power_propagation.Reparameterised(alphas, torch.full_like(alphas, rate))


def train(
    form: str, settings: Settings, parts: dict[str, Split], seed: int, checkpoint: Path
) -> Training:
    """Networks of all exponents and seeds; replica order: exponent by exponent."""
    names = [str(index) for index in range(settings.seeds)]
    stream = Stream("single", 1, parts, names, seed)
    replicas = [Replica(row, settings.rate) for _ in settings.alphas for row in range(len(names))]
    repeated = [float(alpha) for alpha in settings.alphas for _ in names]
    alphas = torch.tensor(repeated, device=stream.device)
    training = Training(
        stream, settings.hidden, CLASSES, rule(form, alphas, settings.rate), replicas
    )
    done = training.restore(checkpoint) if checkpoint.exists() else 0
    index, noise = stream.draws(0, settings.steps, settings.batch)
    every = max(1, settings.steps // PARTS)
    with progress.bar(settings.steps, form, "step") as bar:
        bar.update(done)
        for step in range(done, settings.steps):
            x, y = stream.batch(0, training.rows, index[training.rows, step])
            training.advance(x, y, noise[training.rows, step], refresh=True)
            bar.update()
            if (step + 1) % every == 0:
                training.save(checkpoint, step + 1)
    return training


def measure(form: str, training: Training, settings: Settings) -> pd.DataFrame:
    keys = [
        {"form": form, "alpha": alpha, "seed": seed}
        for alpha in settings.alphas
        for seed in range(settings.seeds)
    ]
    record = Record(keys)
    kept = pruning.levels(settings.least_kept, settings.levels)
    for share, accuracy in zip(kept, pruning.curve(training, kept), strict=True):
        record.add("pruned_accuracy", accuracy, kept=share)
    weights = torch.cat([m[..., :-1].flatten(1) for m in training.parameters.values()], 1)
    record.add("small_weight_share", measures.small_share(weights))
    record.add("hoyer_sparsity", measures.hoyer(weights))
    record.add("train_loss_nats", training.task_loss(0, len(training.stream.y["train"])))
    flags = pd.DataFrame(keys).assign(diverged=(~training.alive).tolist())
    return pd.DataFrame(record.rows).merge(flags, on=["form", "alpha", "seed"], how="left")


def main(
    table: str, data_file: str, settings: Settings, seed: int, provenance: dict[str, Any]
) -> None:
    parts = data.load(data_file)
    work = files.work_folder(
        "optimizers_sparsity",
        code=provenance["code"],
        data=files.file_hash(data_file),
        settings=asdict(settings),
        seed=seed,
    )
    checkpoints = {form: work / f"{form}.pt" for form in power_propagation.FORMS}
    trained = {form: train(form, settings, parts, seed, path) for form, path in checkpoints.items()}
    tabled = [measure(form, training, settings) for form, training in trained.items()]
    keys = tabled[0][["alpha", "seed"]].drop_duplicates().to_dict("records")
    both = Record([{"form": "both", **{str(k): v for k, v in key.items()}} for key in keys])
    first, second = (trained[form].parameters for form in power_propagation.FORMS)
    whole = squared_distance(first, {name: torch.zeros_like(t) for name, t in first.items()})
    both.add("relative_gap", (squared_distance(first, second) / whole).sqrt())
    alive = trained[power_propagation.FORMS[0]].alive & trained[power_propagation.FORMS[1]].alive
    gap = pd.DataFrame(both.rows).assign(diverged=(~alive).tolist())
    tables.write(pd.concat([*tabled, gap], ignore_index=True), table, provenance=provenance)
    for checkpoint in checkpoints.values():
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            snakemake.input.data,
            Settings(
                hidden=params.sparsity["hidden"],
                alphas=params.sparsity["alphas"],
                rate=params.sparsity["rate"],
                batch=params.sparsity["batch"],
                steps=params.sparsity["steps"],
                seeds=params.sparsity["seeds"],
                least_kept=params.pruning["least_kept"],
                levels=params.pruning["levels"],
            ),
            params.seed,
            provenance=provenance.of(snakemake),
        )
