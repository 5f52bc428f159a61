"""Learning rates, tuned in the same way for every optimiser on all tasks of each stream.

Each optimiser gets the same number of rates, evenly spaced in the logarithm over its own range,
and the same seeds, none of which the experiments use. Of the rates whose mean validation accuracy
on the task just learned is within one standard error of the best (the rule of Breiman et al. 1984
for the size of a tree), that of the smallest mean validation loss wins; forgetting plays no part.
Without that rule, one image decides between rates whose losses differ a hundredfold. The means are
over all tasks, because every good rate learns the first ones almost perfectly, and some rates
diverge only on later ones. A rate at which any run diverges on any task is excluded.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.optimizers import registry
from workflow_scripts.optimizers.data import CLASSES, Split, load
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Optimizer
from workflow_scripts.shared import job, progress, tables


@dataclass(frozen=True)
class Settings:
    """The search: `rates` candidates from `least` to `most`, and `seeds` runs of each."""

    hidden: list[int]
    batch: int
    steps: dict[str, int]  # per task, by stream
    tasks: int  # of the permuted stream
    rates: int
    least: float
    most: float
    seeds: int


def grid(settings: Settings) -> list[float]:
    """The candidate rates in ascending order, rounded to three digits."""
    values = np.geomspace(settings.least, settings.most, settings.rates)
    return [float(f"{value:.3g}") for value in values]


def tune(
    name: str, optimizer: Optimizer, settings: Settings, parts: dict[str, Split], seed: int
) -> pd.DataFrame:
    """Validation accuracy and loss on the task just learned, for each rate, seed and task."""
    seed_names = [f"tuning {index}" for index in range(settings.seeds)]
    stream = Stream(name, settings.tasks, parts, seed_names, seed)
    replicas = [Replica(row, rate) for rate in grid(settings) for row in range(settings.seeds)]
    training = Training(stream, settings.hidden, CLASSES, optimizer, replicas)
    rows: list[dict[str, Any]] = []
    for task in range(stream.tasks):
        training.train_task(task, settings.steps[name], settings.batch, 0)
        logits, y, _ = training.outputs("valid", task)
        nats = torch.nn.functional.cross_entropy(logits.mT, y, reduction="none").mean(1)
        measured = zip(
            replicas,
            training.accuracy("valid", task).tolist(),
            nats.tolist(),
            (~training.alive).tolist(),
            strict=True,
        )
        for replica, accuracy, loss, diverged in measured:
            key = {"stream": name, "rate": replica.rate, "seed": replica.row, "task": task}
            rows.append(key | {"accuracy": accuracy, "loss_nats": loss, "diverged": diverged})
    return pd.DataFrame(rows)


def chosen(table: pd.DataFrame, stream: str) -> float:
    """The tuned rate of a stream; `table` is what `tune` returns.

    The standard error is that of the difference to the best rate, from the runs and tasks of both.
    Raises `ValueError` if runs diverged at every rate.
    """
    rows = table[table["stream"] == stream]
    means = rows.groupby("rate")[["accuracy", "loss_nats", "diverged"]].mean()
    sound = means[means["diverged"] == 0]
    if sound.empty:
        raise ValueError(
            f"{stream}: expected a rate at which no run diverges, found none; lower the range of "
            "the optimiser's rates"
        )
    accuracy = rows.pivot(index=["seed", "task"], columns="rate", values="accuracy")[sound.index]
    below = accuracy.rsub(accuracy[sound["accuracy"].idxmax()], axis=0)
    level = below.mean() <= below.sem().fillna(0)  # no error from a single run of a single task
    return float(sound[level].reset_index().sort_values("loss_nats")["rate"].iloc[0])


def main(
    data: str,
    table: str,
    optimizer: str,
    settings: dict[str, Any],
    rate_range: dict[str, Any],
    training: dict[str, Any],
    tuning: dict[str, Any],
    streams: list[str],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Try every rate of one optimiser on `streams` and write `table`; `settings` are its own."""
    parts, known = load(data), registry.optimizer(optimizer, settings)
    budget = Settings(**training, **tuning, **rate_range)
    found = [
        tune(name, known, budget, parts, seed)
        for name in progress.track(streams, description=f"tune {optimizer}", unit="stream")
    ]
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
