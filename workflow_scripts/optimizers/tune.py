"""Learning rates, tuned alike for every optimiser, on the first two tasks of each stream only.

Each optimiser gets the same number of rates, evenly spaced in the logarithm over a range of its
own, and the same seeds, none of which the experiments use. The rate with the best mean validation
accuracy on the task just learned wins: forgetting plays no part. Equal accuracies are told apart
by the validation loss; a rate at which any run diverges is out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.optimizers import data, streams, updates
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.shared import job, progress, provenance, tables

TASKS = 2


@dataclass(frozen=True)
class Settings:
    hidden: list[int]
    batch: int
    steps: dict[str, int]  # of a task, by stream
    rates: int
    least: float
    most: float
    seeds: int


def grid(settings: Settings) -> list[float]:
    """The candidate rates, rounded to three digits, in rising order."""
    values = np.geomspace(settings.least, settings.most, settings.rates)
    return [float(f"{value:.3g}") for value in values]


def tune(
    name: str, rule: updates.Rule, settings: Settings, parts: dict[str, Split], seed: int
) -> pd.DataFrame:
    """Validation accuracy and loss of every rate, seed and task of one stream: one row each."""
    seed_names = [f"tuning {index}" for index in range(settings.seeds)]
    stream = Stream(name, TASKS, parts, seed_names, seed)
    replicas = [Replica(row, rate) for rate in grid(settings) for row in range(settings.seeds)]
    training = Training(stream, settings.hidden, CLASSES, rule, replicas)
    rows: list[dict[str, Any]] = []
    for task in range(TASKS):
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
    """The tuned rate of a stream. Raises `ValueError` where every rate diverged."""
    rows = table[table["stream"] == stream]
    means = rows.groupby("rate")[["accuracy", "loss_nats", "diverged"]].mean().reset_index()
    sound = means[means["diverged"] == 0]
    if sound.empty:
        raise ValueError(f"{stream}: training diverged at every rate; lower the range of rates")
    best = sound.sort_values(["accuracy", "loss_nats"], ascending=[False, True]).iloc[0]
    return float(best["rate"])


def main(
    table: str,
    data_file: str,
    optimizer: str,
    rule_settings: dict[str, Any],
    settings: Settings,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    parts = data.load(data_file)
    rule = updates.rule(optimizer, rule_settings)
    found = [
        tune(name, rule, settings, parts, seed)
        for name in progress.track(streams.NAMES, description=f"tune {optimizer}", unit="stream")
    ]
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            snakemake.input.data,
            snakemake.wildcards.optimizer,
            params.rule["settings"],
            Settings(
                hidden=params.hidden,
                batch=params.batch,
                steps=params.steps,
                rates=params.rates,
                least=params.rule["rates"]["least"],
                most=params.rule["rates"]["most"],
                seeds=params.seeds,
            ),
            params.seed,
            provenance=provenance.of(snakemake),
        )
